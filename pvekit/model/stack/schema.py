"""The JSON Schema of the stack file, for editors."""

from __future__ import annotations

from typing import Any

from pvekit.model.stack.shape import HostShape, StackShape


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a stack file, with descriptions."""
    result = StackShape.model_json_schema()
    host = HostShape.model_json_schema()
    definitions: dict[str, Any] = result.setdefault("$defs", {})
    definitions.update(host.pop("$defs", {}))
    definitions["HostShape"] = host
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pvekit stack file",
        **{key: value for key, value in result.items() if key != "title"},
    }

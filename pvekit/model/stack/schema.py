"""The JSON Schema of the stack file, for editors."""

from __future__ import annotations

from typing import Any

from pvekit.model.stack.shape import HOST_HERE, HostShape, StackShape


def schema(kinds: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a stack file, with descriptions.

    With ``kinds``, no other kind is allowed in it.
    """
    result = StackShape.model_json_schema()
    host = HostShape.model_json_schema()
    definitions: dict[str, Any] = result.setdefault("$defs", {})
    definitions.update(host.pop("$defs", {}))
    definitions["HostShape"] = host
    for choice in result["properties"]["host"]["anyOf"]:
        if choice.get("$comment") == HOST_HERE:
            choice.clear()
            choice["$ref"] = "#/$defs/HostShape"
    if kinds:
        for shape in ("VmFields", "VmShape"):
            field = definitions[shape]["properties"]["kind"]
            field["anyOf"] = [{"enum": sorted(kinds)}, {"type": "null"}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pvekit stack file",
        **{key: value for key, value in result.items() if key != "title"},
    }

"""What all shapes of the stack file have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """A mapping with known keys only; values are taken as written, never converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def default(value: object, description: str, **limits: Any) -> Any:
    """Return a field with a default."""
    return Field(default=value, description=description, **limits)


def maybe(description: str, **limits: Any) -> Any:
    """Return a field that may be left away."""
    return default(None, description, **limits)

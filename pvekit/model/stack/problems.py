"""pydantic's complaints in plain words, at their place in the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pvekit.model.errors import Problem
from pvekit.model.stack.base import Shape
from pvekit.model.stack.shape import StackShape, VmFields, VmShape
from pvekit.model.stack.text import Document, Path

NOT_YET = {
    "pci": "passing PCI devices through",
    "usb": "passing USB devices through",
    "shares": "network shares",
    "windows": "installing Windows",
}
"""Keys that later versions will know, and what they are for."""

MANY = 12

_TYPES = {
    "string_type": ("text", "Put it in quotes."),
    "int_type": ("a whole number", "Write a number without quotes or unit."),
    "int_from_float": ("a whole number", "Write a number without a fraction."),
    "bool_type": ("true or false", "Write true or false (yes, no, on and off are text)."),
    "list_type": ("a list", "Write items as `- item`, or [a, b]."),
    "dict_type": ("a mapping", "Write `key: value` lines, indented below."),
    "model_type": ("a mapping", "Write `key: value` lines, indented below."),
    "model_attributes_type": ("a mapping", "Write `key: value` lines, indented below."),
}
_LIMITS = {
    "greater_than_equal": ("is too small", "ge", "Write at least {}."),
    "less_than_equal": ("is too large", "le", "Write at most {}."),
    "string_too_long": ("is too long", "max_length", "At most {} characters."),
    "string_too_short": ("is empty", "min_length", "At least {} character."),
    "too_short": ("is empty", "min_length", "At least {} item."),
}


def nearest(word: str, known: Iterable[str], otherwise: str = "`pvekit schema` lists what may stand here.") -> str:
    """Return a sentence that suggests the nearest known word, or lists them when none is near and they are few."""
    words = sorted(known)
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    if not words:
        return "There are none."
    if len(words) > MANY:
        return otherwise
    return f"Known: {', '.join(words)}."


def translate(document: Document, error: ValidationError) -> list[Problem]:
    """Return one Problem for each of pydantic's complaints, without repetition."""
    return list(dict.fromkeys(_one(document, details) for details in error.errors(include_url=False)))


def _one(document: Document, details: ErrorDetails) -> Problem:
    loc = details["loc"]
    if loc and loc[-1] == "[key]":
        message, hint = _message(details)
        return document.problem(loc[:-1], message, hint, at_key=True)
    if details["type"] == "extra_forbidden":
        return _unknown_key(document, loc)
    if details["type"] == "missing":
        return _missing(document, loc)
    message, hint = _message(details)
    return document.problem(loc, message, hint)


def _unknown_key(document: Document, loc: Path) -> Problem:
    key = str(loc[-1])
    if key in NOT_YET:
        message = f"this version of pvekit cannot do it yet ({NOT_YET[key]})"
        return document.problem(loc, message, "Remove the key, or use a later version.", at_key=True)
    if key == "<<":
        return document.problem(loc, "merge keys are not supported", "Use `defaults`.", at_key=True)
    model = _model_at(loc[:-1])
    if model is VmFields and key in VmShape.model_fields:
        return document.problem(loc, f"{key} belongs to a single VM", "Write it under the VM.", at_key=True)
    known = [name for name in model.model_fields if name not in _present(document, loc[:-1])] if model else []
    return document.problem(loc, f"unknown key {key!r}", nearest(key, known), at_key=True)


def _present(document: Document, path: Path) -> set[str]:
    return {str(found[-1]) for found in document.keys if found[:-1] == path}


def _missing(document: Document, loc: Path) -> Problem:
    model = _model_at(loc[:-1])
    key = str(loc[-1])
    text = (model.model_fields[key].description if model and key in model.model_fields else "") or ""
    return document.problem(loc, f"{key} is missing", f"Add {key}: {text}" if text else f"Add {key}.")


def _model_at(path: Path) -> type[BaseModel] | None:
    """Return the shape that stands at a path, by walking the field annotations."""
    here: Any = StackShape
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            item = here.model_fields.get(str(part))
            here = item.annotation if item else None
        else:
            here = get_args(here)[-1] if get_args(here) else None
        here = _strip(here)
    return here if isinstance(here, type) and issubclass(here, Shape) else None


def _strip(annotation: Any) -> Any:
    """Return an annotation without Annotated and Optional."""
    args = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _strip(args[0])
    if type(None) in args:
        return _strip(next(arg for arg in args if arg is not type(None)))
    return annotation


def _message(details: ErrorDetails) -> tuple[str, str]:
    kind, context, given = details["type"], details.get("ctx", {}), details["input"]
    if kind == "pvekit":
        return str(context["message"]), str(context["hint"])
    if kind in _TYPES:
        what, hint = _TYPES[kind]
        if given is None:
            return f"there is no value, {what} is expected", hint
        return f"{show(given)} is not {what}", hint
    if kind == "literal_error":
        allowed = str(context["expected"]).replace("'", "")
        return f"{show(given)} is not allowed here", f"Write {allowed}."
    if kind in _LIMITS:
        text, key, hint = _LIMITS[kind]
        subject = show(given) if isinstance(given, int) else "this"
        return f"{subject} {text}", hint.format(context[key])
    return details["msg"][:1].lower() + details["msg"][1:], ""


def show(value: object) -> str:
    """Return a value as it stands in the file, containers only by name."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)

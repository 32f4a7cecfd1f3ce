"""Declared parameters: what a value must look like, and PVE's words when it does not.

Values stay text after the check, in one normal form: ``true`` becomes ``1``, a number loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pvekit.lab.errors import FormatInvalid

Kind = Literal["string", "integer", "number", "boolean", "array"]

TRUE = {"1", "on", "yes", "true"}
FALSE = {"0", "off", "no", "false"}
UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
MISSING = "property is missing and it is not optional"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a request or one key of a property string."""

    kind: Kind = "string"
    required: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    pattern: str = ""
    longest: int | None = None
    shortest: int | None = None
    check: Callable[[str], None] | None = None
    """Raises FormatInvalid."""
    deep: Callable[[str, str], None] | None = None
    """Like ``check``, but is told the parameter's name, for formats that name it in their errors."""

    def needed(self) -> Param:
        """Return the same parameter, not optional."""
        return replace(self, required=True)


def text(**limits: Any) -> Param:
    """Return a text parameter."""
    return Param("string", **limits)


def integer(low: float | None = None, high: float | None = None, **limits: Any) -> Param:
    """Return a whole number."""
    return Param("integer", low=low, high=high, **limits)


def number(low: float | None = None, high: float | None = None) -> Param:
    """Return a number."""
    return Param("number", low=low, high=high)


def flag() -> Param:
    """Return a boolean, in any of PVE's spellings."""
    return Param("boolean")


def choice(*values: str) -> Param:
    """Return one of these."""
    return Param("string", choices=values)


def array(**limits: Any) -> Param:
    """Return a parameter that may come several times."""
    return Param("array", **limits)


def plain(value: Any) -> str:
    """Return a JSON or form value as the text PVE would see."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)


def verify_value(name: str, value: str, param: Param) -> str:
    """Return the value in normal form.

    FormatInvalid with PVE's text if it does not fit.
    """
    value = _typed(value, param)
    if param.choices and value not in param.choices:
        raise FormatInvalid(f"value '{value}' does not have a value in the enumeration '{', '.join(param.choices)}'")
    if param.pattern and not re.fullmatch(param.pattern, value):
        raise FormatInvalid("value does not match the regex pattern")
    if param.shortest is not None and len(value) < param.shortest:
        raise FormatInvalid(f"value must be at least {param.shortest} characters long")
    if param.longest is not None and len(value) > param.longest:
        raise FormatInvalid(f"value may only be {param.longest} characters long")
    try:
        if param.check is not None:
            param.check(value)
        if param.deep is not None:
            param.deep(name, value)
    except FormatInvalid as wrong:
        raise FormatInvalid(f"invalid format - {wrong}\n") from wrong
    return value


def _typed(value: str, param: Param) -> str:
    if param.kind == "boolean":
        if value.lower() in TRUE:
            return "1"
        if value.lower() in FALSE:
            return "0"
        raise FormatInvalid(f"type check ('boolean') failed - got '{value}'")
    if param.kind in {"integer", "number"}:
        shape = r"[+-]?\d+" if param.kind == "integer" else r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
        if not re.fullmatch(shape, value):
            raise FormatInvalid(f"type check ('{param.kind}') failed - got '{value}'")
        if param.low is not None and float(value) < param.low:
            raise FormatInvalid(f"value must have a minimum value of {param.low:g}")
        if param.high is not None and float(value) > param.high:
            raise FormatInvalid(f"value must have a maximum value of {param.high:g}")
    return value


def verify(
    values: Mapping[str, Any], declared: Mapping[str, Param]
) -> tuple[dict[str, str], dict[str, list[str]], dict[str, str]]:
    """Return the checked scalars, the checked arrays, and the errors by parameter."""
    scalars: dict[str, str] = {}
    arrays: dict[str, list[str]] = {}
    errors: dict[str, str] = {}
    for name, raw in values.items():
        param = declared.get(name)
        if param is None:
            errors[name] = UNKNOWN
        elif param.kind == "array":
            items = _items(raw)
            arrays[name] = items
            for index, item in enumerate(items):
                _keep(errors, f"{name}[{index}]", item, param)
        else:
            kept = _keep(errors, name, plain(raw[-1] if isinstance(raw, list) and raw else raw), param)
            if kept is not None:
                scalars[name] = kept
    errors.update({name: MISSING for name, param in declared.items() if param.required and name not in values})
    return scalars, arrays, errors


def _items(raw: Any) -> list[str]:
    return [plain(one) for one in raw] if isinstance(raw, Sequence) and not isinstance(raw, str) else [plain(raw)]


def _keep(errors: dict[str, str], name: str, value: str, param: Param) -> str | None:
    try:
        return verify_value(name, value, param)
    except FormatInvalid as wrong:
        errors[name] = str(wrong)
        return None

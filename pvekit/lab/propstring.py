"""PVE's property strings (``virtio=AA:..,bridge=vmbr0``): read, check and write them by a specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pvekit.lab.errors import FormatInvalid
from pvekit.lab.params import MISSING, UNKNOWN, Param, verify_value


@dataclass(frozen=True, slots=True)
class Spec:
    """The keys of one kind of property string.

    ``default`` is the key that may be left out; ``aliases`` maps an old name to its key; each of ``models`` is
    written as ``model=macaddr`` (network cards only).
    """

    keys: Mapping[str, Param]
    default: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()


def split(spec: Spec, text: str) -> dict[str, str]:
    """Return the pairs without judging the values.

    FormatInvalid for a text that is no property string.
    """
    values: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, sign, value = part.partition("=")
        if sign and key in spec.models:
            values["model"] = key
            key = "macaddr"
        elif not sign:
            if not spec.default:
                raise FormatInvalid("value without key, but schema does not define a default key")
            if spec.default in values:
                raise FormatInvalid("duplicate key in comma-separated list property: " + spec.default)
            key, value = spec.default, part
        key = spec.aliases.get(key, key)
        if key in values:
            raise FormatInvalid(f"duplicate key in comma-separated list property: {key}")
        values[key] = value
    return values


def parse(spec: Spec, text: str, name: str = "value") -> dict[str, str]:
    """Return the checked pairs, values in normal form.

    FormatInvalid names every wrong key with its path under ``name``.
    """
    values = split(spec, text)
    errors: dict[str, str] = {}
    for key, value in values.items():
        param = spec.keys.get(key)
        if param is None:
            errors[key] = UNKNOWN
            continue
        try:
            values[key] = verify_value(f"{name}.{key}", value, param)
        except FormatInvalid as wrong:
            errors[key] = str(wrong)
    errors.update({key: MISSING for key, param in spec.keys.items() if param.required and key not in values})
    if errors:
        lines = "".join(f"{name}.{key}: {wrong}\n" for key, wrong in sorted(errors.items()))
        raise FormatInvalid(f"format error\n{lines}".removesuffix("\n"))
    return values


def build(spec: Spec, values: Mapping[str, str]) -> str:
    """Return the canonical text: the default key first and bare, the others in order of name."""
    rest = dict(values)
    parts: list[str] = []
    if spec.models and "model" in rest:
        model = rest.pop("model")
        address = rest.pop("macaddr", "")
        parts.append(f"{model}={address}" if address else model)
    elif spec.default and spec.default in rest:
        parts.append(rest.pop(spec.default))
    parts += [f"{key}={rest[key]}" for key in sorted(rest)]
    return ",".join(parts)


def checker(spec: Spec) -> Callable[[str, str], None]:
    """Return the check for a parameter that holds such a string."""

    def check(name: str, value: str) -> None:
        parse(spec, value, name)

    return check

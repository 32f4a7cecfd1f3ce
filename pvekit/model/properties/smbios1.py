"""``smbios1``: what the firmware says about the machine."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any, Self

from pvekit.model.properties.base import BOOL, LOWER, Property, PropertyInvalid, key

_TEXTS = ("family", "manufacturer", "product", "serial", "sku", "version")


@dataclass(frozen=True, slots=True)
class Smbios1(Property):
    """``uuid=...,serial=...``. With ``base64=1`` the texts are Base64, the only way to write commas and spaces.

    The fields hold what stands in the string; ``decoded`` and ``encoded`` convert.
    """

    base64: bool | None = key("base64", BOOL, default="0")
    uuid: str | None = key("uuid", LOWER)
    family: str | None = key("family")
    manufacturer: str | None = key("manufacturer")
    product: str | None = key("product")
    serial: str | None = key("serial")
    sku: str | None = key("sku")
    version: str | None = key("version")

    def decoded(self) -> dict[str, str]:
        """Return the texts in clear. PropertyInvalid when they are no Base64 although they claim so."""
        texts = {name: getattr(self, name) for name in _TEXTS if getattr(self, name) is not None}
        if not self.base64:
            return texts
        try:
            return {name: base64.b64decode(text, validate=True).decode() for name, text in texts.items()}
        except ValueError as error:
            raise PropertyInvalid(f"smbios1 is not valid Base64: {error}") from None

    def encoded(self) -> Self:
        """Return the same with its clear texts as Base64."""
        texts: dict[str, Any] = {
            name: base64.b64encode(text.encode()).decode() for name, text in self.decoded().items()
        }
        return replace(self, base64=True, **texts)

    def canonical(self) -> dict[str, str]:
        """Return the texts in clear, so that both forms compare equal."""
        pairs = Property.canonical(self)
        pairs.update(self.decoded())
        pairs.pop("base64", None)
        return pairs


parse = Smbios1.parse

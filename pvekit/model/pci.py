"""PCI addresses, as the kernel and lspci write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BDF = re.compile(r"(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])")


@dataclass(frozen=True, slots=True, order=True)
class Bdf:
    """Domain, bus, device and function of a PCI device."""

    domain: int
    bus: int
    device: int
    function: int

    @classmethod
    def parse(cls, text: str) -> Bdf:
        """Return the address in a text such as ``0000:01:00.0`` or ``01:00.0``. Raises ValueError."""
        found = _BDF.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"not a PCI address: {text!r}")
        domain, bus, device, function = (int(part or "0", 16) for part in found.groups())
        if device > 0x1F:
            raise ValueError(f"not a PCI address: {text!r}")
        return cls(domain, bus, device, function)

    @property
    def slot(self) -> tuple[int, int, int]:
        """Return what all functions of one device share."""
        return (self.domain, self.bus, self.device)

    def __str__(self) -> str:
        """Return the long form, ``0000:01:00.0``."""
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function}"

"""``serial0`` ...: a serial port."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.properties.base import PropertyInvalid


@dataclass(frozen=True, slots=True)
class Serial:
    """``socket`` (reached by the console) or a device of the host, which only root may give."""

    target: str

    @classmethod
    def parse(cls, text: str) -> Serial:
        """Return the port. PropertyInvalid for anything but socket and /dev/..."""
        if text != "socket" and not (text.startswith("/dev/") and len(text) > 5 and "," not in text):
            raise PropertyInvalid(f"{text!r} is neither socket nor /dev/...")
        return cls(text)

    def __str__(self) -> str:
        """Return it as PVE writes it."""
        return self.target


parse = Serial.parse

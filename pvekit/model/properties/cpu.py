"""``cpu``: the CPU model and its flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, LIST, Property, key


@dataclass(frozen=True, slots=True)
class Cpu(Property):
    """``x86-64-v2-AES,flags=+aes;-pcid,hidden=1``. ``flags`` each start with + or -."""

    DEFAULT_KEY: ClassVar[str | None] = "cputype"

    cputype: str | None = key("cputype", default="kvm64")
    flags: tuple[str, ...] | None = key("flags", LIST)
    hidden: bool | None = key("hidden", BOOL, default="0")
    hv_vendor_id: str | None = key("hv-vendor-id")
    phys_bits: str | None = key("phys-bits")
    reported_model: str | None = key("reported-model", default="kvm64")


parse = Cpu.parse

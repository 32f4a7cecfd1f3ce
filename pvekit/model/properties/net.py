"""``net0`` ...: a network card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, INT, LIST, UPPER, Property, PropertyInvalid, key

_INTEL = ("e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "e1000e", "i82551", "i82557b", "i82559er")
MODELS = frozenset({*_INTEL, "ne2k_isa", "ne2k_pci", "pcnet", "rtl8139", "virtio", "vmxnet3"})


@dataclass(frozen=True, slots=True)
class Net(Property):
    """``virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=10``. PVE's shorthand MODEL=MAC is model and macaddr here."""

    DEFAULT_KEY: ClassVar[str | None] = "model"

    model: str | None = key("model")
    macaddr: str | None = key("macaddr", UPPER)
    bridge: str | None = key("bridge")
    firewall: bool | None = key("firewall", BOOL, default="0")
    link_down: bool | None = key("link_down", BOOL, default="0")
    mtu: int | None = key("mtu", INT)
    queues: int | None = key("queues", INT)
    rate: str | None = key("rate")
    tag: int | None = key("tag", INT)
    trunks: tuple[str, ...] | None = key("trunks", LIST)

    @classmethod
    def unfold(cls, pairs: dict[str, str]) -> dict[str, str]:
        """Turn MODEL=MAC into model and macaddr."""
        result: dict[str, str] = {}
        for name, value in pairs.items():
            new = {"model": name, "macaddr": value} if name in MODELS else {name: value}
            if new.keys() & result.keys():
                raise PropertyInvalid(f"{name} appears twice")
            result.update(new)
        return result

    def __str__(self) -> str:
        """Return it as PVE writes it: MODEL=MAC first when there is a MAC."""
        pairs = self.pairs()
        model, mac = pairs.pop("model", None), pairs.pop("macaddr", None)
        rest = [f"{name}={value}" for name, value in pairs.items()]
        if model in MODELS:
            return ",".join([f"{model}={mac}" if mac else model, *rest])
        first = [f"{name}={value}" for name, value in (("model", model), ("macaddr", mac)) if value]
        return ",".join([*first, *rest])


parse = Net.parse

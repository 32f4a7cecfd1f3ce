"""``ipconfig0`` ...: addresses for PVE's own cloud-init drive."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.properties.base import LOWER, Property, key


@dataclass(frozen=True, slots=True)
class IpConfig(Property):
    """``ip=192.168.1.10/24,gw=192.168.1.1,ip6=auto``. ``ip`` may be dhcp, ``ip6`` dhcp or auto."""

    gw: str | None = key("gw")
    gw6: str | None = key("gw6", LOWER)
    ip: str | None = key("ip")
    ip6: str | None = key("ip6", LOWER)


parse = IpConfig.parse

"""Which network a guest expects behind its card, so that user-mode networking can be that network.

A guest with DHCP takes what it gets. A guest with a static address would be deaf on QEMU's own 10.0.2.0/24; so the
address is looked up where PVE's clients put it (``ipconfigN``, or the ``network-config`` of a cloud-init seed in one
of the CD drives), and the emulated network is laid out around it, gateway and name server included.
"""

from __future__ import annotations

import io
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pycdlib
import yaml
from pycdlib.pycdlibexception import PyCdlibException

from pvekit.lab.qemu.values import options

Address = ipaddress.IPv4Address
_SEED_LABELS = frozenset({"cidata", "CIDATA"})
_LARGEST_SEED = 64 << 20


@dataclass(frozen=True, slots=True)
class GuestNet:
    """One emulated network: the guest's own address, and the two that QEMU answers for."""

    network: ipaddress.IPv4Network
    gateway: Address
    dns: Address
    guest: Address


@dataclass(frozen=True, slots=True)
class Static:
    """A static address as a configuration gives it."""

    interface: ipaddress.IPv4Interface
    gateway: Address | None = None
    nameservers: tuple[Address, ...] = ()


def default(number: int) -> GuestNet:
    """Return QEMU's usual network, a different one for each card."""
    network = ipaddress.ip_network(f"10.0.{2 + number}.0/24")
    assert isinstance(network, ipaddress.IPv4Network)  # noqa: S101 - the text above is one
    return GuestNet(network, network[2], network[3], network[15])


def around(static: Static) -> GuestNet:
    """Return a network in which the guest's static address, gateway and name server work.

    QEMU wants two addresses in the network, one for itself and one for its name server. Any of them routes. Where the
    guest's gateway is also its name server, as home routers are, it becomes QEMU's name server.
    """
    network, guest = static.interface.network, static.interface.ip
    inside = [server for server in static.nameservers if server in network and server != guest]
    gateway = static.gateway
    if gateway is None or gateway not in network or gateway == guest:
        gateway = None
    dns = inside[0] if inside else None
    free = (address for address in _hosts(network) if address not in {guest, gateway, dns})
    if dns is None:
        dns = next(free)
    if gateway is None or gateway == dns:
        gateway = next(free)
    return GuestNet(network, gateway, dns, guest)


def network_of(number: int, mac: str, config: Mapping[str, str], cds: Iterable[Path]) -> GuestNet:
    """Return the network for card ``number``; the default one if nobody gave the guest an address that fits."""
    static = _from_config(number, config)
    if static is None:
        found = (_from_seed(text, mac, number) for path in cds if (text := seed_network(path)) is not None)
        static = next((each for each in found if each is not None), None)
    if static is None or static.interface.network.num_addresses < 8:
        return default(number)
    return around(static)


def seed_network(path: Path) -> str | None:
    """Return the ``network-config`` of a cloud-init seed; None for any other medium."""
    if not path.is_file() or path.stat().st_size > _LARGEST_SEED:
        return None
    disc = pycdlib.PyCdlib()
    try:
        disc.open(str(path))
    except (PyCdlibException, OSError):
        return None
    try:
        if disc.pvd.volume_identifier.decode(errors="replace").strip() not in _SEED_LABELS:
            return None
        text = io.BytesIO()
        if disc.has_rock_ridge():
            disc.get_file_from_iso_fp(text, rr_path="/network-config")
        elif disc.has_joliet():
            disc.get_file_from_iso_fp(text, joliet_path="/network-config")
        else:
            return None
        return text.getvalue().decode(errors="replace")
    except PyCdlibException:
        return None
    finally:
        disc.close()


def _from_config(number: int, config: Mapping[str, str]) -> Static | None:
    pairs = options(config.get(f"ipconfig{number}", ""))
    servers = config.get("nameserver", "").replace(",", " ").split()
    return _static(pairs.get("ip"), pairs.get("gw"), servers)


def _from_seed(text: str, mac: str, number: int) -> Static | None:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if not isinstance(document, dict):
        return None
    document = document.get("network", document)
    if document.get("version") == 2:
        return _version_2(document, mac, number)
    return _version_1(document, mac, number)


def _version_1(document: Mapping[str, Any], mac: str, number: int) -> Static | None:
    entries = [entry for entry in document.get("config") or () if isinstance(entry, dict)]
    servers = [str(each) for entry in entries if entry.get("type") == "nameserver"
               for each in _listed(entry.get("address"))]  # fmt: skip
    cards = [entry for entry in entries if entry.get("type") == "physical"]
    chosen = _matching(cards, [str(entry.get("mac_address", "")) for entry in cards], mac, number)
    for subnet in (chosen or {}).get("subnets") or ():
        address = str(subnet.get("address", ""))
        if "netmask" in subnet and "/" not in address:
            address += f"/{subnet['netmask']}"
        own = [str(each) for each in _listed(subnet.get("dns_nameservers"))]
        found = _static(address, subnet.get("gateway"), [*own, *servers])
        if found:
            return found
    return None


def _version_2(document: Mapping[str, Any], mac: str, number: int) -> Static | None:
    cards = [entry for entry in (document.get("ethernets") or {}).values() if isinstance(entry, dict)]
    chosen = _matching(cards, [str((entry.get("match") or {}).get("macaddress", "")) for entry in cards], mac, number)
    if chosen is None:
        return None
    routes = [route.get("via") for route in chosen.get("routes") or () if route.get("to") in {"default", "0.0.0.0/0"}]
    gateway = chosen.get("gateway4") or next(iter(routes), None)
    servers = _listed((chosen.get("nameservers") or {}).get("addresses"))
    found = (
        _static(str(address), gateway, [str(each) for each in servers]) for address in chosen.get("addresses") or ()
    )
    return next((each for each in found if each), None)


def _matching(cards: list[Any], macs: list[str], mac: str, number: int) -> Any:
    wanted = mac.lower()
    for entry, found in zip(cards, macs, strict=True):
        if found and found.lower() == wanted:
            return entry
    return cards[number] if number < len(cards) and not any(macs) else None


def _static(address: str | None, gateway: object, servers: Iterable[str]) -> Static | None:
    if not address or "/" not in address:
        return None
    try:
        interface = ipaddress.IPv4Interface(address)
    except ValueError:
        return None
    return Static(interface, _ipv4(gateway), tuple(found for each in servers if (found := _ipv4(each))))


def _ipv4(text: object) -> Address | None:
    try:
        return ipaddress.IPv4Address(str(text))
    except ValueError:
        return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _hosts(network: ipaddress.IPv4Network) -> Iterable[Address]:
    """Yield addresses from the end, where home networks rarely have anything."""
    return (network[-index] for index in range(2, network.num_addresses))

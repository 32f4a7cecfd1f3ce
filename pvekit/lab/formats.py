"""The named formats of single values: each function raises FormatInvalid with PVE's text."""

from __future__ import annotations

import ipaddress
import re

from pvekit.lab.errors import FormatInvalid

SAFE_SPLIT = re.compile(r"[,;\0\s]+")
LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?"


def words(value: str) -> list[str]:
    """Split a PVE list (``,``, ``;``, blanks or NUL between the items)."""
    return [word for word in SAFE_SPLIT.split(value.strip()) if word]


def vmid(value: str) -> None:
    """Accept a VMID: 100 to 999999999."""
    if not re.fullmatch(r"[1-9][0-9]{2,8}", value):
        raise FormatInvalid("value does not look like a valid VM ID")


def dns_name(value: str) -> None:
    """Accept a host name, dots allowed."""
    label = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})*", value):
        raise FormatInvalid("value does not look like a valid DNS name")


def config_id(value: str) -> None:
    """Accept the name of a snapshot, mapping or job: a letter, then at least one more character."""
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_-]+", value):
        raise FormatInvalid(f"invalid configuration ID '{value}'")


def storage_id(value: str) -> None:
    """Accept a storage's name."""
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]", value):
        raise FormatInvalid(f"storage ID '{value}' contains illegal characters")


def absolute_path(value: str) -> None:
    """Accept a path that starts at the root."""
    if not re.fullmatch(r"/[a-zA-Z0-9_./+@:\- ]*", value) or "/../" in value + "/":
        raise FormatInvalid("value does not look like a valid absolute path")


def urlencoded(value: str) -> None:
    """Accept text with every special character encoded."""
    if not re.fullmatch(r"[-%a-zA-Z0-9_.!~*'()]*", value):
        raise FormatInvalid(f"invalid urlencoded string: {value}")


def mac(value: str) -> None:
    """Accept a unicast MAC address."""
    if not re.fullmatch(r"[a-fA-F0-9][02468aceACE](:[a-fA-F0-9]{2}){5}", value):
        raise FormatInvalid("value does not look like a valid unicast MAC address")


def disk_size(value: str) -> None:
    """Accept ``4G``, ``512M``, ``540672``."""
    if not re.fullmatch(r"\d+(\.\d+)?[KMGT]?", value):
        raise FormatInvalid(f"value does not look like a valid disk size: {value}")


def ipv4(value: str) -> None:
    """Accept one IPv4 address."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError as wrong:
        raise FormatInvalid("value does not look like a valid IPv4 address") from wrong


def ipv6(value: str) -> None:
    """Accept one IPv6 address."""
    try:
        ipaddress.IPv6Address(value)
    except ValueError as wrong:
        raise FormatInvalid("value does not look like a valid IPv6 address") from wrong


def cidr_v4(value: str) -> None:
    """Accept an IPv4 address with a prefix."""
    if not _network(value, ipaddress.IPv4Interface):
        raise FormatInvalid("value does not look like a valid IPv4 CIDR network")


def ipv4_config(value: str) -> None:
    """Accept ``dhcp``, ``manual`` or an address with a prefix."""
    if value not in {"dhcp", "manual"} and not _network(value, ipaddress.IPv4Interface):
        raise FormatInvalid("value does not look like a valid ipv4 network configuration")


def ipv6_config(value: str) -> None:
    """Accept ``dhcp``, ``auto``, ``manual`` or an address with a prefix."""
    if value not in {"dhcp", "auto", "manual"} and not _network(value, ipaddress.IPv6Interface):
        raise FormatInvalid("value does not look like a valid ipv6 network configuration")


def _network(value: str, family: type[ipaddress.IPv4Interface] | type[ipaddress.IPv6Interface]) -> bool:
    try:
        family(value)
    except ValueError:
        return False
    return "/" in value


def address_list(value: str) -> None:
    """Accept a list of IP addresses or host names."""
    for word in words(value):
        if not re.fullmatch(r"[0-9a-fA-F:.]+|" + LABEL + r"(\." + LABEL + ")*", word):
            raise FormatInvalid(f"value does not look like a valid address: {word}")


def tags(value: str) -> None:
    """Accept a list of tags."""
    for word in words(value):
        if not re.fullmatch(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*", word):
            raise FormatInvalid(f"invalid characters in tag: {word}")


def startup(value: str) -> None:
    """Accept ``order=2,up=30,down=60`` or a number."""
    for part in value.split(","):
        if not re.fullmatch(r"(order=)?\d+|up=\d+|down=\d+", part.strip()):
            raise FormatInvalid("unable to parse startup options")


def hotplug(value: str) -> None:
    """Accept a list of hotplug features, ``0`` or ``1``."""
    if value in {"0", "1"}:
        return
    for word in words(value):
        if word not in {"network", "disk", "cpu", "memory", "usb", "cloudinit"}:
            raise FormatInvalid(f"unknown hotplug feature '{word}'")


def bridge(value: str) -> None:
    """Accept the name of a bridge."""
    if not re.fullmatch(r"[-_.\w\d]+", value):
        raise FormatInvalid(f"invalid bridge '{value}'")


def cpuset(value: str) -> None:
    """Accept ``0,2-5``."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", value.replace(" ", "")):
        raise FormatInvalid("unable to parse cpuset")

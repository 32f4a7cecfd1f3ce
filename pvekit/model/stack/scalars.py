"""The small texts of a stack file (sizes, addresses, keys ...), each with its own plain-word mistake."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from pvekit.model.properties import cpu as cpu_codec
from pvekit.model.properties.base import PropertyInvalid
from pvekit.model.stack.secret import FORMS, SecretRef, parse_secret
from pvekit.model.units import MIB, UnitError, parse_disk_size, parse_duration, parse_size


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """Return a mistake with its hint, for pydantic to collect."""
    return PydanticCustomError("pvekit", "{message}", {"message": message, "hint": hint})


def _text(value: object, what: str, hint: str) -> str:
    if not isinstance(value, str):
        raise wrong(f"{_shown(value)} is not {what}", hint)
    return value


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else repr(value)


def pattern(regex: str, what: str, hint: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return the annotations of a text that must match ``regex`` in full."""
    compiled = re.compile(regex)

    def check(value: object) -> str:
        text = _text(value, what, hint)
        if not compiled.fullmatch(text):
            raise wrong(f"{text!r} is not {what}", hint)
        return text

    return BeforeValidator(check), WithJsonSchema({"type": "string", "pattern": f"^({regex})$"})


def _size(value: object) -> int:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = str(value) if number else _text(value, "a size", "Write a number and a unit, for example 20GiB.")
    try:
        size = parse_size(text)
    except UnitError as error:
        raise wrong(error.message, error.hint) from None
    if size == 0 or size % MIB:
        raise wrong(f"{text} is not a whole number of MiB, at least 1", "Use MiB or GiB.")
    return size


def _disk_size(value: object) -> int:
    text = _text(value, "a size", "Write a number and a unit, for example 4TB or 100GiB.")
    try:
        return parse_disk_size(text)
    except UnitError as error:
        raise wrong(error.message, error.hint) from None


def _mib(value: object) -> int:
    return _size(value) // MIB


def _seconds(value: object) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = str(value) if number else _text(value, "a duration", "Write a number and a unit, for example 30s.")
    try:
        return parse_duration(text)
    except UnitError as error:
        raise wrong(error.message, error.hint) from None


def _whole_seconds(value: object) -> int:
    seconds = _seconds(value)
    if seconds != int(seconds):
        raise wrong(f"{value} is not a whole number of seconds", "PVE counts whole seconds.")
    return int(seconds)


def _secret(value: object) -> SecretRef:
    try:
        return parse_secret(value if isinstance(value, str) else "")
    except ValueError as error:
        raise wrong(str(error), FORMS) from None


def _mac(value: object) -> str:
    hint = 'Write six pairs, for example "BC:24:11:00:00:01".'
    text = _text(value, "a MAC address", hint).upper()
    if not re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}", text):
        raise wrong(f"{value!r} is not a MAC address", hint)
    if int(text[:2], 16) & 1:
        raise wrong(f"{text} is a multicast address", "The first pair must be even, for example BC.")
    return text


def _fingerprint(value: object) -> str:
    hint = "Write the SHA-256 fingerprint as `pvenode cert info` shows it: 32 pairs with colons."
    text = _text(value, "a fingerprint", hint).upper()
    digits = text.removeprefix("SHA256:").replace(":", "")
    if not re.fullmatch(r"[0-9A-F]{64}", digits):
        size = f"has {len(digits)} digits, SHA-256 has 64" if re.fullmatch(r"[0-9A-F]*", digits) else "is not hex"
        raise wrong(f"the fingerprint {size}", hint)
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


def _interface(version: type[IPv4Interface] | type[IPv6Interface], words: tuple[str, ...]) -> Callable[[object], Any]:
    sample = "192.168.1.10/24" if version is IPv4Interface else "fd00::10/64"
    hint = f"Write an address with its prefix, for example {sample}, or {' or '.join(words)}."

    def check(value: object) -> Any:
        text = _text(value, "an address", hint)
        if text in words:
            return text
        if "/" not in text:
            raise wrong(f"{text!r} has no prefix length", hint)
        try:
            found = version(text)
        except ValueError:
            raise wrong(f"{text!r} is not an IPv{6 if version is IPv6Interface else 4} address", hint) from None
        whole = found.network.prefixlen >= found.max_prefixlen - 1
        if not whole and found.ip == found.network.network_address:
            raise wrong(f"{text} is the address of the network itself", hint)
        if isinstance(found, IPv4Interface) and not whole and found.ip == found.network.broadcast_address:
            raise wrong(f"{text} is the broadcast address", hint)
        return found

    return check


def _ip(*versions: type[IPv4Address] | type[IPv6Address]) -> Callable[[object], Any]:
    sample = "192.168.1.1" if IPv4Address in versions else "fd00::1"

    def check(value: object) -> Any:
        hint = f"Write an address without a prefix, for example {sample}."
        text = _text(value, "an address", hint)
        for version in versions:
            try:
                return version(text)
            except ValueError:
                continue
        raise wrong(f"{text!r} is not an address", hint)

    return check


_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-ed25519@", "sk-ecdsa-sha2-")


def check_ssh_key(text: str) -> str:
    """Return the public key line, tidied. Raises ``wrong`` when it is none; a private key is never echoed."""
    hint = 'Write the line of a .pub file, or "file:~/.ssh/id_ed25519.pub".'
    if "PRIVATE KEY" in text:
        raise wrong("this is a private key", hint)
    words = text.split(None, 2)
    if len(words) < 2 or not words[0].startswith(_KEY_TYPES):
        raise wrong("this is not an SSH public key", hint)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    kind = words[0].encode()
    if blob[4 : 4 + len(kind)] != kind or int.from_bytes(blob[:4], "big") != len(kind):
        raise wrong(f"this {words[0]} key is damaged or cut off", hint)
    return " ".join(word.strip() for word in words)


def _ssh_key(value: object) -> str:
    text = _text(value, "an SSH public key", 'Write a key or "file:~/.ssh/id_ed25519.pub".').strip()
    if text.startswith("file:"):
        return text
    if "\n" in text:
        raise wrong("this is more than one line", "Write one list item per key.")
    return check_ssh_key(text)


def _cpu(value: object) -> str:
    hint = "Write a CPU type as PVE knows it, for example x86-64-v2-AES or host."
    text = _text(value, "a CPU type", hint)
    try:
        parsed = cpu_codec.Cpu.parse(text)
    except PropertyInvalid as error:
        raise wrong(str(error), hint) from None
    if not parsed.cputype:
        raise wrong(f"{text!r} names no CPU type", hint)
    return text


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _one_or_many(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


STRING = {"type": "string"}
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema({**STRING, "pattern": r"^[0-9.]+ ?[KMGT](iB)?$"})]
DiskSize = Annotated[
    int, BeforeValidator(_disk_size), WithJsonSchema({**STRING, "pattern": r"^[0-9.]+ ?([KMGT](iB)?|[MGT]B)$"})
]
Mib = Annotated[int, BeforeValidator(_mib), WithJsonSchema({**STRING, "pattern": r"^[0-9.]+ ?[KMGT](iB)?$"})]
_DURATION = WithJsonSchema({**STRING, "pattern": r"^[0-9.]+ ?(ms|s|m|h|d)$"})
Seconds = Annotated[float, BeforeValidator(_seconds), _DURATION]
WholeSeconds = Annotated[int, BeforeValidator(_whole_seconds), _DURATION]
Secret = Annotated[SecretRef, BeforeValidator(_secret), WithJsonSchema({**STRING, "pattern": "^(env|file|cmd):.+$"})]
Mac = Annotated[
    str, BeforeValidator(_mac), WithJsonSchema({**STRING, "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"})
]
Fingerprint = Annotated[str, BeforeValidator(_fingerprint), WithJsonSchema(STRING)]
Address4 = Annotated[Any, BeforeValidator(_interface(IPv4Interface, ("dhcp", "none"))), WithJsonSchema(STRING)]
Address6 = Annotated[Any, BeforeValidator(_interface(IPv6Interface, ("auto", "dhcp", "none"))), WithJsonSchema(STRING)]
Gateway4 = Annotated[Any, BeforeValidator(_ip(IPv4Address)), WithJsonSchema(STRING)]
Gateway6 = Annotated[Any, BeforeValidator(_ip(IPv6Address)), WithJsonSchema(STRING)]
AnyIp = Annotated[Any, BeforeValidator(_ip(IPv4Address, IPv6Address)), WithJsonSchema(STRING)]
SshKey = Annotated[str, BeforeValidator(_ssh_key), WithJsonSchema(STRING)]
Cpu = Annotated[str, BeforeValidator(_cpu), WithJsonSchema(STRING)]

StackName = Annotated[
    str, *pattern("[a-z][a-z0-9-]{0,30}", "a stack name", "Use a-z, 0-9 and -, a letter first, at most 31 characters.")
]
VmName = Annotated[
    str,
    *pattern(
        "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a host name",
        "Use a-z, 0-9 and - (not first or last), at most 63 characters; no dots and no capitals.",
    ),
]
ImageName = Annotated[
    str,
    *pattern("[a-z0-9][a-z0-9.+-]{0,60}", "an image name", "Use a-z, 0-9, dot, plus and minus, for example debian-13."),
]
StorageName = Annotated[
    str,
    *pattern("[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]", "a storage name", "Write the storage's ID, for example local-lvm."),
]
NodeName = Annotated[
    str, *pattern("[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", "a node name", "Write a node's name, or auto.")
]
Bridge = Annotated[str, *pattern("[A-Za-z0-9_.-]{1,15}", "a bridge", "Write a bridge or VNet, for example vmbr0.")]
Tag = Annotated[
    str, *pattern("[a-z0-9_][a-z0-9_+.-]*", "a tag", "Use a-z, 0-9, _, -, + and dot, no capitals and no spaces.")
]
Pool = Annotated[str, *pattern("[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,2}", "a pool", "Write the pool's ID.")]
Serial = Annotated[
    str, *pattern("[A-Za-z0-9_.-]{1,20}", "a disk serial", "Use letters, digits, _, . and -, at most 20 characters.")
]
UserName = Annotated[
    str, *pattern("[a-z_][a-z0-9_-]{0,31}", "a Linux user name", "Use a-z, 0-9, _ and -, a letter first, at most 32.")
]
Package = Annotated[str, *pattern("[a-z0-9][a-z0-9+.-]+", "a package name", "Write the package's name only.")]
Timezone = Annotated[
    str, *pattern("UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+){1,2}", "a time zone", "Write UTC or Area/City: Europe/Berlin.")
]
Domain = Annotated[
    str, *pattern("[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", "a domain", "Write a domain such as lan.example.")
]
DiskSlot = Annotated[
    str,
    *pattern(
        "scsi([0-9]|[12][0-9]|30)|virtio([0-9]|1[0-5])|sata[0-5]|ide[0-3]",
        "a disk slot",
        "Write scsi0-30, virtio0-15, sata0-5 or ide0-3.",
    ),
]
NicSlot = Annotated[str, *pattern("net([0-9]|[12][0-9]|3[01])", "a network slot", "Write net0 to net31.")]
TokenId = Annotated[
    str,
    *pattern(
        r"[^\s:/!@]+@[A-Za-z][A-Za-z0-9._-]+![A-Za-z][A-Za-z0-9._-]+",
        "a token ID",
        'Write user@realm!name, for example "root@pam!pvekit".',
    ),
]
Login = Annotated[
    str, *pattern(r"[^\s:/!]+@[A-Za-z][A-Za-z0-9._-]+", "a PVE user", "Write user@realm, for example root@pam.")
]
_ENDPOINT = r"https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?"
Endpoint = Annotated[str, *pattern(_ENDPOINT, "an address of a PVE server", "Write https://NAME:8006.")]
Endpoints = Annotated[
    list[Endpoint], BeforeValidator(_one_or_more), _one_or_many({"type": "string", "pattern": f"^({_ENDPOINT})$"})
]
Fingerprints = Annotated[list[Fingerprint], BeforeValidator(_one_or_more), _one_or_many(STRING)]
HttpUrl = Annotated[str, *pattern(r"https?://[^\s/]+/[^\s]*", "a web address", "Write https://… to the file itself.")]
Sha256 = Annotated[str, *pattern("[0-9a-f]{64}", "a SHA-256 sum", "Write 64 lower-case hex digits.")]
Sha512 = Annotated[str, *pattern("[0-9a-f]{128}", "a SHA-512 sum", "Write 128 lower-case hex digits.")]
IsoVolume = Annotated[
    str,
    *pattern(r"[A-Za-z][A-Za-z0-9_.-]*:iso/[^\s/]+\.iso", "an ISO on a storage", "Write local:iso/NAME.iso."),
]

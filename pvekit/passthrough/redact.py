"""Taking out of a bundle what tells whose machine it is, and leaving what tells why it does not work. Pure.

Every value gets a numbered stand-in, in the order in which the values first appear over the sorted files. A hash would
let short values such as addresses and serial numbers be guessed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from pvekit.passthrough.sorting import names

_ROUNDS = 8
"""What is left after one round may show more in the next; nobody has seen a third that changed anything."""


def redact(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files without serial numbers, addresses, names of hosts and people, keys and passwords.

    The same value has the same stand-in in all files. Lines stay where they are, and redacting again changes nothing.
    """
    work = _Redaction(files)
    for _ in range(_ROUNDS):
        before = dict(work.files)
        work.pass_over()
        if work.files == before:
            break
    return work.files


class _Numbers:
    """Stand-ins by value, numbered as the values come. A stand-in that is met again stands for itself."""

    def __init__(self, shape: Callable[[int], str], made: str, texts: Iterable[str], kept: str = r"(?!)") -> None:
        self._shape = shape
        self._kept = re.compile(rf"{made}|{kept}", re.IGNORECASE)
        self.given: dict[str, str] = {}
        pattern = re.compile(made, re.IGNORECASE)
        self._taken = {match[0].lower() for text in texts for match in pattern.finditer(text)}

    def of(self, value: str) -> str:
        """Return the stand-in of a value."""
        key = value.lower()
        if self._kept.fullmatch(value):
            return value
        if key not in self.given:
            number = len(self.given) + 1
            while (made := self._shape(number)).lower() in self._taken:
                number += 1
            self._taken.add(made.lower())
            self.given[key] = made
        return self.given[key]


def _numbered(word: str, texts: Iterable[str]) -> _Numbers:
    return _Numbers(lambda number: f"{word}-{number}", rf"{word}-[0-9]+", texts)


def _mac(number: int) -> str:
    digits = f"{number & 0xFFFFFF:06x}"
    return f"02:00:00:{digits[:2]}:{digits[2:4]}:{digits[4:]}"


def _ipv4(number: int) -> str:
    """Return an address of the ranges for documentation and for benchmarks, which belong to nobody."""
    if number < 255:
        return f"192.0.2.{number}"
    return str(ipaddress.IPv4Address("198.18.0.0") + number % 0x20000)


_FULL_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_UUID = re.compile(rf"(?<![0-9a-zA-Z]){_FULL_UUID}(?![0-9a-fA-F])")
_EVERYBODYS = r"8be4df61-93ca-11d2-aa0d-00e098032b8c|[0-]{36}|f{8}-(?:f{4}-){3}f{12}"
"""The vendor of the firmware's own variables, and what stands for nothing."""
_HEX_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32}(?![0-9a-zA-Z])")
_MAC = re.compile(
    r"(?<![0-9a-zA-Z:-])[0-9a-fA-F]{2}(?:(:|-)[0-9a-fA-F]{2})(?:\1[0-9a-fA-F]{2}){4}(?![0-9a-zA-Z]|[:-][0-9a-fA-F])"
)
_BARE_MAC = re.compile(r"(?<=\bMAC\()[0-9a-fA-F]{12}|(?<=\benx)[0-9a-f]{12}(?![0-9a-z])")
_FINGERPRINT = re.compile(r"(?<![0-9a-zA-Z:])(?:[0-9a-fA-F]{2}:){9,}[0-9a-fA-F]{2}(?![0-9a-zA-Z:])")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![0-9a-zA-Z_.])(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9a-zA-Z_]|\.\d)")
_IPV6 = re.compile(r"(?<![0-9a-zA-Z_:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![0-9a-zA-Z_:]|\.\d)")
_KEPT_IPV4 = re.compile(r"0\.|127\.|255\.|192\.0\.2\.|198\.1[89]\.")
_VERSION_BEFORE = re.compile(
    r"(?<![0-9a-zA-Z])(?:version|ver|firmware|fw|bios|revision|rev|release|driver|build|vbios|v)[\s:=(/]{0,4}$",
    re.IGNORECASE,
)
_PACKAGE_BEFORE = re.compile(
    r"^\s*(?!nameserver|gateway|address|host|ip|server|dns|via|inet|gw)[a-z0-9][a-z0-9.+-]+: $"
)
_RANGE_BEFORE = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}-$")
_RANGE_AFTER = re.compile(rf"-(?:{_OCTET}\.){{3}}{_OCTET}|-?(?!\w|-\d)")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_KEPT_EMAILS = re.compile(
    r"[^@]+@lists\..*|.*\.(?:service|socket|target|mount|timer|slice|scope|device|path|swap|automount)", re.IGNORECASE
)
"""Mailing lists, which kernels name as their makers, and systemd's units, which look like an address."""

_VALUE = r"(?P<value>[^\s,;'\"<>)\]]+)"
_COLON = r"\s{0,40}:\s{0,40}"
_REST = r"(?P<value>\S.*)$"
_DISK_END = r"(?=(?:_\d+)?(?:-\d:\d)?(?:-part\d+)?(?:$|[^0-9A-Za-z:_-]))"
_SERIALS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^\s{{0,80}}(?:\w[\w -]{{0,60}} )?(?:serial(?: ?(?:number|no\.?))?|(?:asset|service) tag|wwn){_COLON}{_REST}",
        rf"^\s*(?:lu wwn device id|logical unit id|ieee eui-64){_COLON}{_REST}",
        rf"\bSerialNumber:\s*{_REST}",
        rf"\[SN\] Serial number: {_REST}",
        rf"\bDevice Serial Number {_VALUE}",
        rf"\b(?:product|board|chassis|bay|system)_(?:serial|asset_tag)\s*[=:]\s*{_REST}",
        rf"(?<![\w-])(?:serial|asset)={_VALUE}",
        r"<serial>(?P<value>[^<]+)</serial>",
        r"<entry name=['\"](?:serial|asset)['\"]>(?P<value>[^<]+)</entry>",
        rf"(?<![\w-])(?:ata|nvme|usb|scsi|mmc|virtio|ieee1394)-[\w.+-]{{0,120}}?_(?P<value>[0-9a-z-]{{6,80}}?){_DISK_END}",
        rf"\b(?:wwn-|naa\.|eui\.|nvme\.|scsi-(?=[0-9a-f]{{9}}))(?P<value>[0-9a-z:-]{{8,120}}?){_DISK_END}",
        rf"\b(?:lvm-pv-uuid-|md-uuid-|dm-uuid-[A-Z0-9]+-)(?P<value>[0-9a-z:-]{{8,120}}?){_DISK_END}",
        r"\bMBR,(?P<value>0x[0-9a-f]+)",
    )
)
_NO_SERIAL = re.compile(
    r"(?:not (?:specified|present|available|provided|settable)|to be filled.*|default string|none|n/a|unknown|empty|"
    r"system serial number|\(?null\)?|x+|0x0+|[0 .:-]+|chassis serial number|base board serial number|"
    r"no asset (?:tag|information)|asset-?\d*|\.+|socket)",
    re.IGNORECASE,
)
_FILESYSTEMS = (
    re.compile(rf"(?<![0-9a-zA-Z])(?:PART)?UUID=['\"]?{_VALUE}"),
    re.compile(r"/by-(?:part)?uuid/(?P<value>[\w-]+)"),
    re.compile(r"^\s*(?P<value>[0-9A-F]{4}-[0-9A-F]{4})(?= is configured with:|\s*$)"),
)

_SECRETS = (
    re.compile(r"^\s*(?:cipassword|sshkeys|description):[ \t]*(?P<value>\S.*)$"),
    re.compile(
        r"(?<![a-z])(?:pass(?:word|wd|phrase)|secret|(?:api|access|auth|pve|PVEAPI)?[_-]?token|api[_-]?key|psk|presharedkey|"
        r"private[_-]?key|credentials?)['\"]?\s*[:=]\s*['\"]?(?P<value>[^\s,;'\"&]+)",
        re.IGNORECASE,
    ),
    re.compile(r"\bsecret,[\w=,-]{0,120}?data=(?P<value>[^\s,'\"]+)"),
    re.compile(r"\bAuthorization:\s*(?:Bearer|Basic)\s+(?P<value>\S+)", re.IGNORECASE),
    re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://(?P<value>[^\s/@:]{1,120}:[^\s/@]{1,200})(?=@)", re.IGNORECASE),
    re.compile(r"\b(?P<value>gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,4000}\.[\w-]{8,4000}\.[\w-]+)"),
    re.compile(
        r"\b(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S{1,40}|sk-\S{1,60})[ ]{1,20}"
        r"(?P<value>AAAA[0-9A-Za-z+/=]{16,}(?: +\S.*)?)"
    ),
    re.compile(r"(?P<value>(?<![0-9A-Za-z+/])AAAA[BCE][0-9A-Za-z+/=%]{40,})"),
    re.compile(r"<(?:description|title)>(?P<value>[^<]+)"),
    re.compile(r"^\s+description (?P<value>\S.*)$"),
)
_GONE = "REDACTED"
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE|MESSAGE)[A-Z0-9 ]*-----(?P<value>.*)$")
_END = re.compile(r"-----END [A-Z0-9 ]+-----")
_MOST_KEY_LINES = 200

_STAMP = (
    r"^(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
)
_HOST = r"(?P<value>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)"
_HOSTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^\s*(?:> )?Linux {_HOST} \d{{1,4}}\.\d{{1,4}}\.\d{{1,4}}\S* #",
        rf"{_STAMP} {_HOST} [\w./@()-]{{1,60}}(?:\[\d+\])?: ",
        rf"^\s*(?:> )?\[?[\w.-]+@{_HOST}(?=[: ].{{0,80}}[#$%])",
        rf"(?:[Hh]ostname set to|[Ss]et hostname to) <{_HOST}>",
        rf"^\s*(?:Static hostname|hostname|Hostname|Node name|nodename)\s*[:=]\s*{_HOST}\s*$",
        rf"\bUPID:{_HOST}:[0-9A-F]{{8}}:",
        rf"/(?:etc/pve/)?nodes/{_HOST}(?=[/\s]|$)",
        rf"^\s+map \S{{0,200}}?\bnode={_HOST}",
        rf"^\s*127\.0\.1\.1\s+{_HOST}",
        rf"\bLinux version \S{{1,80}} \([\w.-]+@{_HOST}\)",
    )
)
_VM_NAMES = (re.compile(rf"^(?:name|searchdomain):\s*{_HOST}\s*$"),)
_USER = r"(?P<value>[A-Za-z_][\w.-]{0,31})"
_USERS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:/home/|/Users/|\\Users\\){_USER}",
        rf"^\s*(?:> )?\[?{_USER}@[\w.-]+(?=[: ].{{0,80}}[#$%])",
        rf"(?<![\w.-]){_USER}@(?:pam|pve|ldap|ad)\b",
        rf"^ciuser:\s*{_USER}",
    )
)
_STAND_IN = re.compile(r"(?:HOST|USER|SERIAL|FSID|MAIL)-\d+", re.IGNORECASE)
_COMMON = frozenset({
    "pve", "pve1", "pve2", "pve3", "proxmox", "prox", "host", "hosts", "server", "node", "node1", "localhost",
    "localdomain", "linux", "debian", "ubuntu", "fedora", "arch", "windows", "win", "win10", "win11", "kernel",
    "root", "admin", "user", "users", "test", "lab", "home", "nas", "box", "guest", "vm", "vms", "gpu", "nvidia",
    "amd", "intel", "amdgpu", "radeon", "nouveau", "vfio", "vfio-pci", "iommu", "dmar", "kvm", "qemu", "libvirt",
    "audio", "video", "usb", "pci", "pcie", "sata", "nvme", "ahci", "ata", "scsi", "net", "eth0", "bridge", "mem",
    "bar", "rom", "bios", "uefi", "efi", "acpi", "irq", "msi", "dma", "grub", "boot", "shell", "daemon", "systemd",
    "build", "builder", "buildd", "lists", "lists.debian.org", "serial", "fsid", "mail", "redacted", "public",
    "default", "gateway", "desktop", "laptop", "workstation", "gaming", "docker", "plex", "ollama", "backup", "local",
    "device", "driver", "module", "option", "options", "blacklist", "softdep", "install", "error", "failed", "status",
    "task", "start", "stop", "reset", "power", "state", "group", "groups", "none", "null", "true", "false", "yes",
    "off",
    "amd64", "x86_64", "generic", "vga", "display", "controller", "memory",
})  # fmt: skip
"""Names that say nothing about anybody, and words that are evidence wherever they stand."""
_RELEASE = re.compile(r"(?<!\d)\d{1,4}\.\d{1,4}\.\d{1,4}[\w.+~-]*")


class _Redaction:
    """The files as far as they are done, and the stand-ins given so far."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)
        texts = [files[file] for file in sorted(files)]
        self._macs = _Numbers(
            _mac, r"02:00:00(?::[0-9a-f]{2}){3}|02-00-00(?:-[0-9a-f]{2}){3}", texts, r"(?:00[:-]){5}00|(?:ff[:-]){5}ff"
        )
        self._ipv4 = _Numbers(_ipv4, r"192\.0\.2\.\d+|198\.1[89]\.\d+\.\d+", texts)
        self._ipv6 = _Numbers(lambda number: f"2001:db8::{number:x}", r"2001:db8::[0-9a-f]{1,4}", texts, "::1?")
        uuid = "00000000-0000-4000-8000-"
        self._uuids = _Numbers(lambda number: f"{uuid}{number:012x}", rf"{uuid}[0-9a-f]{{12}}", texts, _EVERYBODYS)
        self._ids = _Numbers(lambda number: f"{number:032x}", r"0{20}[0-9a-f]{12}", texts, "f{32}")
        self._serials = _numbered("SERIAL", texts)
        self._volumes = _numbered("FSID", texts)
        self._hosts = _numbered("HOST", texts)
        self._users = _numbered("USER", texts)
        self._mails = _Numbers(lambda number: f"mail-{number}@example.org", r"mail-\d+@example\.org", texts)

    def pass_over(self) -> None:
        """Go over all files once."""
        self._over(self._key_blocks)
        self._over(self._secrets)
        self._serial_numbers()
        self._over(self._addresses)
        self._names()

    def _over(self, change: Callable[[str, list[str]], Iterable[str]]) -> None:
        for file in sorted(self.files):
            lines = self.files[file].splitlines(keepends=True)
            bodies = [line.splitlines()[0] if line.splitlines() else "" for line in lines]
            ends = [line[len(body) :] for line, body in zip(lines, bodies, strict=True)]
            changed = change(file, bodies)
            self.files[file] = "".join(body + end for body, end in zip(changed, ends, strict=True))

    def _key_blocks(self, _: str, lines: list[str]) -> Iterator[str]:
        """Empty what stands between the marks of a key; a mark without an end counts as far as a key is long."""
        left = 0
        for line in lines:
            if end := _END.search(line):
                hidden = left and line[: end.start()].strip(" \t>")
                yield _GONE + line[end.start() :] if hidden and not _BEGIN.search(line) else line
                left = 0
            elif begin := _BEGIN.search(line):
                yield line[: begin.start("value")] + (_GONE if begin["value"] else "")
                left = _MOST_KEY_LINES
            elif left and re.fullmatch(r"[\s>]*(?:[0-9A-Za-z+/=]{8,}|[\w-]+: .*|REDACTED|)\s*", line):
                left -= 1
                yield _GONE if line.strip() else line
            else:
                left = 0
                yield line

    def _secrets(self, file: str, lines: list[str]) -> Iterator[str]:
        """Empty passwords, tokens and keys, and what people wrote about their VMs."""
        named = names.named(file)
        config = named is not None and named.role in ("vm.conf", "vms/")
        for line in lines:
            text = line
            if config and text.startswith("#") and text[1:].strip() and not re.match(r"^#\s*\d+\.conf\b", text):
                text = f"#{_GONE}"
            for pattern in _SECRETS:
                text = _within(pattern, text, lambda _: _GONE)
            yield text

    def _serial_numbers(self) -> None:
        for file in sorted(self.files):
            for line in self.files[file].splitlines():
                for pattern in _SERIALS:
                    for match in pattern.finditer(line):
                        if not _NO_SERIAL.fullmatch(match["value"].strip()) and not _is_uuid(match["value"]):
                            self._serials.of(match["value"].strip())
        everywhere = _any_of(value for value in self._serials.given if _rare(value))

        def change(_: str, lines: list[str]) -> Iterator[str]:
            for line in lines:
                text = line
                for pattern in _SERIALS:
                    text = _within(pattern, text, self._serial)
                yield everywhere.sub(lambda match: self._serials.of(match[0]), text) if everywhere else text

        self._over(change)

    def _serial(self, value: str) -> str:
        bare = value.strip()
        return value if _NO_SERIAL.fullmatch(bare) or _is_uuid(bare) else self._serials.of(bare)

    def _addresses(self, _: str, lines: list[str]) -> Iterator[str]:
        for line in lines:
            text = _UUID.sub(lambda match: self._uuids.of(match[0]), line)
            text = _HEX_ID.sub(lambda match: self._ids.of(match[0]), text)
            for pattern in _FILESYSTEMS:
                text = _within(pattern, text, self._volume)
            text = _FINGERPRINT.sub(_GONE, text)
            text = _MAC.sub(self._mac_of, text)
            text = _BARE_MAC.sub(self._bare_mac, text)
            text = _EMAIL.sub(lambda m: m[0] if _KEPT_EMAILS.fullmatch(m[0]) else self._mails.of(m[0]), text)
            text = _IPV6.sub(self._of_ipv6, text)
            yield _IPV4.sub(self._of_ipv4, text)

    def _volume(self, value: str) -> str:
        return value if _is_uuid(value) else self._volumes.of(value)

    def _mac_of(self, match: re.Match[str]) -> str:
        return self._macs.of(match[0].replace("-", ":")).replace(":", match[1])

    def _bare_mac(self, match: re.Match[str]) -> str:
        digits = match[0]
        return self._macs.of(":".join(digits[at : at + 2] for at in range(0, 12, 2))).replace(":", "")

    def _of_ipv6(self, match: re.Match[str]) -> str:
        try:
            ipaddress.IPv6Address(match[0])
        except ValueError:
            return match[0]
        return self._ipv6.of(match[0])

    def _of_ipv4(self, match: re.Match[str]) -> str:
        # Parts of the line are enough, and a line may be very long.
        before = match.string[max(0, match.start() - 80) : match.start()]
        after = match.string[match.end() : match.end() + 20]
        version = _VERSION_BEFORE.search(before) or _PACKAGE_BEFORE.match(before)
        ranged = not before.endswith("-") or _RANGE_BEFORE.search(before)
        if _KEPT_IPV4.match(match[0]) or version or not ranged or not _RANGE_AFTER.match(after):
            return match[0]
        return self._ipv4.of(match[0])

    def _names(self) -> None:
        """Learn the names of hosts and people where they can be nothing else, and replace them wherever they stand."""
        common = _COMMON | _words_of_releases(self.files.values())
        for kind, patterns in ((self._hosts, _HOSTS), (self._users, _USERS)):
            for file in sorted(self.files):
                role = names.named(file)
                further = _VM_NAMES if kind is self._hosts and role and role.role in ("vm.conf", "vms/") else ()
                text = self.files[file]
                if kind is self._hosts and file.lower().rpartition("/")[2] in ("hostname", "hostname.txt"):
                    _learn(kind, re.findall(r"^\s*([A-Za-z0-9][\w.-]+)\s*$", text, re.MULTILINE), common)
                for line in text.splitlines():
                    for pattern in (*patterns, *further):
                        _learn(kind, (match["value"] for match in pattern.finditer(line)), common)
            everywhere = _any_of(kind.given)
            if everywhere is not None:
                self._replace(everywhere, kind)

    def _replace(self, everywhere: re.Pattern[str], kind: _Numbers) -> None:
        def change(_: str, lines: list[str]) -> Iterator[str]:
            for line in lines:
                yield everywhere.sub(lambda match: kind.of(match[0]), line)

        self._over(change)


def _learn(kind: _Numbers, values: Iterable[str], common: Iterable[str]) -> None:
    """Keep names that are nobody else's word; of a full name also its first part."""
    for value in values:
        for name in (value, value.partition(".")[0]):
            low = name.lower()
            if len(name) < 3 or low in common or _STAND_IN.search(name) or re.fullmatch(r"[0-9a-f]{1,4}|[\d.:-]+", low):
                continue
            if low.partition(".")[0] in common and "." not in low:
                continue
            kind.of(name)


def _words_of_releases(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(
        word.lower()
        for text in texts
        for release in set(_RELEASE.findall(text))
        for word in re.split(r"[^0-9A-Za-z]+", release)
    )


def _any_of(values: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern for any of these as a whole word; the longest first."""
    ordered = sorted(values, key=lambda value: (-len(value), value))
    if not ordered:
        return None
    inner = "|".join(map(re.escape, ordered))
    return re.compile(rf"(?<![0-9A-Za-z_])(?:{inner})(?![0-9A-Za-z_])", re.IGNORECASE)


def _within(pattern: re.Pattern[str], text: str, change: Callable[[str], str]) -> str:
    """Return a text with what a pattern calls ``value`` changed, and nothing around it."""
    parts = []
    place = 0
    for match in pattern.finditer(text):
        start, end = match.span("value")
        parts += [text[place:start], change(match["value"])]
        place = end
    return "".join([*parts, text[place:]])


def _is_uuid(value: str) -> bool:
    return re.fullmatch(_FULL_UUID, value.strip()) is not None


def _rare(value: str) -> bool:
    """Tell whether a serial number is long and varied enough to be nothing else where it stands alone."""
    return len(value) >= 8 and len(set(value)) >= 4 and any(char.isdigit() for char in value)

"""Configurations of VMs on Proxmox VE (and hostdev entries of libvirt, as far as they name devices)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.mappings import Mapped, PciMappings
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.lspcitext import ADDRESS, address, plain
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class HostPci:
    """One hostpciN. ``host`` as written, one or several addresses split at ``;`` ("01:00" means all functions).

    ``mapped`` are the addresses behind ``mapping`` on this node, written in the same way.
    """

    key: str
    host: tuple[str, ...]
    mapping: str
    options: Mapping[str, str]
    line: Line
    mapped: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return all addresses, whether a mapping stands for them or not."""
        return self.host + self.mapped

    def covers(self, bdf: Bdf) -> bool:
        """Return whether this entry gives a device to the VM."""
        return any(bdf in (address(text), address(f"{text}.{bdf.function}")) for text in self.addresses)

    @property
    def bdfs(self) -> tuple[Bdf, ...]:
        """Return the addresses; function 0 where the entry means all functions."""
        found = (address(text) or address(f"{text}.0") for text in self.addresses)
        return tuple(bdf for bdf in found if bdf is not None)


@dataclass(frozen=True)
class VmConfig:
    """One VM. ``values`` are those in force, snapshots left out; ``pending`` those that wait (None: it goes away).

    ``lines`` and ``waiting`` are where the one and the other stand. ``pve`` is False for what libvirt or a QEMU command
    line tells; then only machine, bios and devices are known.
    """

    vmid: int | None
    values: Mapping[str, str]
    lines: Mapping[str, Line]
    hostpci: tuple[HostPci, ...]
    pending: Mapping[str, str | None]
    file: str
    pve: bool = True
    waiting: Mapping[str, Line] = field(default_factory=dict)


@dataclass(frozen=True)
class VmConfigs:
    """All that the bundle has. ``mappings`` are the resource mappings of this node."""

    vms: tuple[VmConfig, ...]
    mappings: Mapping[str, tuple[Mapped, ...]] = field(default_factory=dict)

    def of(self, vmid: int | None) -> VmConfig | None:
        """Return the VM with this number; the only one there is when the number or its own is not known."""
        named = [vm for vm in self.vms if vmid is not None and vm.vmid == vmid]
        if named:
            return named[0]
        return self.vms[0] if len(self.vms) == 1 and None in (vmid, self.vms[0].vmid) else None


@dataclass
class _Draft:
    file: str
    vmid: int | None = None
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    pending: dict[str, str | None] = field(default_factory=dict)
    waiting: dict[str, Line] = field(default_factory=dict)
    hostdevs: list[HostPci] = field(default_factory=list)
    section: str = ""
    xml: bool = False
    inside: str = ""

    @property
    def empty(self) -> bool:
        return not (self.values or self.pending or self.hostdevs)


_FILE_ID = Pattern(r"(?:^|/|\bvm-?)([1-9]\d{2,8})\.conf$")
_TEXT_ID = Pattern(
    r"(?:qemu-server/|^[=>\s]*|^#\s*)([1-9]\d{2,8})\.conf\b|\bqm (?:config|pending|showcmd) ([1-9]\d{2,8})\b"
)
_SECTION = Pattern(r"^\[([\w. :-]+)\]\s*$")
_VALUE = Pattern(r"^\s*([a-z][a-z0-9_-]{1,40}):\s*(.*)$")
_PENDING = Pattern(r"^\s*(cur|new|del)\s+([a-z][a-z0-9_-]{1,40})(?::\s*(.*))?$")
_HOST = Pattern(rf"^(?:{ADDRESS}|(?:[0-9a-fA-F]{{4,8}}:)?[0-9a-fA-F]{{2}}:[01][0-9a-fA-F])$")
_QEMU = Pattern(rf"vfio-pci[^ ]*?[,\"]host\"?[=:]\"?({ADDRESS})([^\s']*)")
_QEMU_ID = Pattern(r"(?:^|\s)-id ([1-9]\d{2,8})\b")
_XML_ADDRESS = Pattern(r"<address\b([^>]*)/?>")
_XML_PART = Pattern(r"\b(domain|bus|slot|function)=['\"]0x([0-9a-fA-F]{1,8})['\"]")
_XML_MACHINE = Pattern(r"\bmachine=['\"]([\w.-]+)['\"]")
_XML_LOADER = Pattern(r"<loader\b[^>]*(?:pflash|OVMF|edk2)|<os\b[^>]*firmware=['\"]efi", re.I)


def read(sources: Sources, mappings: PciMappings | Missing) -> VmConfigs | Missing:
    """Read vm.conf, vms/ and pending.txt."""
    present = [role for role in ("vm.conf", "vms/", "pending.txt") if role in sources.roles]
    if not present:
        return Missing("vm.conf", "not in the bundle")
    lines = [line for role in present for line in sources.roles[role]]
    found = [vm for vm in _drafts(lines) if not vm.empty]
    if not found and any(line.text.strip() for line in lines):
        return Missing(present[0], "holds no configuration of a VM")
    here = {} if isinstance(mappings, Missing) else mappings.here
    return VmConfigs(tuple(_made(vm, here) for vm in _joined(found)), here)


def _drafts(lines: Iterable[Line]) -> list[_Draft]:
    drafts: list[_Draft] = []
    for line in lines:
        text = plain(line.text)
        if not drafts or drafts[-1].file != line.file:
            named = _FILE_ID.search(line.file)
            drafts.append(_Draft(line.file, int(named[1]) if named else None))
        if found := _TEXT_ID.search(text):
            if not drafts[-1].empty:
                drafts.append(_Draft(line.file))
            drafts[-1].vmid = int(found[1] or found[2])
            continue
        _line(drafts[-1], line, text)
    return drafts


def _line(vm: _Draft, line: Line, text: str) -> None:
    if text.lstrip().startswith("#"):
        return
    if section := _SECTION.match(text):
        vm.section = section[1]
    elif "<" in text and ">" in text and not _VALUE.match(text):
        _xml(vm, line, text)
    elif "vfio-pci" in text and "host" in text and not _VALUE.match(text):
        _command(vm, line, text)
    elif found := _PENDING.match(text):
        _waits(vm, line, found)
    elif found := _VALUE.match(text):
        key, value = found[1], found[2].strip()
        if vm.section.upper() == "PENDING":
            keys = re.findall(r"[^,;\s!]+", value) if key == "delete" else [key]
            vm.pending |= dict.fromkeys(keys, None if key == "delete" else value)
            vm.waiting |= dict.fromkeys(keys, line)
        elif not vm.section and key not in vm.values:
            vm.values[key], vm.lines[key] = value, line


def _waits(vm: _Draft, line: Line, found: re.Match[str]) -> None:
    """Read a line of ``qm pending``."""
    kind, key, value = found[1], found[2], (found[3] or "").strip()
    if kind == "cur":
        if key not in vm.values:
            vm.values[key], vm.lines[key] = value, line
        return
    vm.pending[key] = value if kind == "new" else None
    vm.waiting[key] = line


def _command(vm: _Draft, line: Line, text: str) -> None:
    """Read ``-device vfio-pci,host=...`` of a QEMU command line."""
    vm.xml = True
    if (named := _QEMU_ID.search(text)) and vm.vmid is None:
        vm.vmid = int(named[1])
    vm.hostdevs += _passed(text, line, "device", len(vm.hostdevs))


def _passed(text: str, line: Line, key: str, count: int = 0) -> list[HostPci]:
    """Return the devices that options of QEMU pass on."""
    found = []
    for number, (host, rest) in enumerate(_QEMU.findall(text), count):
        options = dict(re.findall(r"[,\"]([a-z][\w-]*)\"?[=:]\"?([^,\"\s}]*)", rest))
        found.append(HostPci(f"{key}{number}", (host,), "", options, line))
    return found


def _xml(vm: _Draft, line: Line, text: str) -> None:
    """Read libvirt's XML as far as it names devices."""
    vm.xml = True
    if "<hostdev" in text:
        vm.inside = "hostdev"
    if "<source" in text and vm.inside:
        vm.inside = "source"
    if vm.inside == "source" and (found := _XML_ADDRESS.search(text)):
        parts = dict(_XML_PART.findall(found[1]))
        if {"bus", "slot", "function"} <= set(parts):
            numbers = {key: int(value, 16) for key, value in parts.items()}
            bdf = address(
                f"{numbers.get('domain', 0):04x}:{numbers['bus']:02x}:{numbers['slot']:02x}.{numbers['function']:x}"
            )
            if bdf is not None:
                vm.hostdevs.append(HostPci(f"hostdev{len(vm.hostdevs)}", (str(bdf),), "", {}, line))
    if "</source" in text and vm.inside:
        vm.inside = "hostdev"
    if "</hostdev" in text:
        vm.inside = ""
    if found := _XML_MACHINE.search(text):
        vm.values.setdefault("machine", found[1])
        vm.lines.setdefault("machine", line)
    if _XML_LOADER.search(text):
        vm.values.setdefault("bios", "ovmf")
        vm.lines.setdefault("bios", line)


def _joined(drafts: list[_Draft]) -> list[_Draft]:
    """Put together what several files say about one VM; a lone text without a number belongs to the only VM."""
    found: list[_Draft] = []
    for draft in drafts:
        same = next((old for old in found if old.vmid == draft.vmid and old.xml == draft.xml), None)
        if draft.vmid is None and same is None and len(found) == 1 and len(drafts) == 2 and not draft.xml:
            same = found[0]
        if same is None or (draft.vmid is None and same.values and draft.values and "pending" not in draft.file):
            found.append(draft)
            continue
        same.values = draft.values | same.values
        same.lines = draft.lines | same.lines
        same.pending |= draft.pending
        same.waiting |= draft.waiting
        same.hostdevs += draft.hostdevs
    return found


_Here = Mapping[str, tuple[Mapped, ...]]


def _made(vm: _Draft, here: _Here) -> VmConfig:
    entries = _given(vm.values, vm.lines, here)
    pve = not vm.xml or any(entry.key.startswith("hostpci") for entry in entries)
    return VmConfig(
        vm.vmid, vm.values, vm.lines, (*entries, *vm.hostdevs), vm.pending, vm.file, pve=pve, waiting=vm.waiting
    )


def _given(values: Mapping[str, str], lines: Mapping[str, Line], here: _Here) -> list[HostPci]:
    """Return the devices that a configuration gives to the VM."""
    keys = [key for key in values if re.fullmatch(r"hostpci\d{1,2}", key)]
    found = [_hostpci(key, values[key], lines[key], here) for key in keys]
    return found + (_passed(values["args"], lines["args"], "args") if "args" in values else [])


def restarted(vms: VmConfigs) -> VmConfigs:
    """Return the configurations as they are after the next start of each VM: PVE then applies what is pending."""
    return replace(vms, vms=tuple(_restarted(vm, vms.mappings) if vm.pending else vm for vm in vms.vms))


def _restarted(vm: VmConfig, here: _Here) -> VmConfig:
    values = {key: value for key, value in {**vm.values, **vm.pending}.items() if value is not None}
    lines = {key: line for key, line in {**vm.lines, **vm.waiting}.items() if key in values}
    others = [entry for entry in vm.hostpci if entry.key.startswith(("hostdev", "device"))]
    return replace(
        vm, values=values, lines=lines, hostpci=(*_given(values, lines, here), *others), pending={}, waiting={}
    )


def _hostpci(key: str, value: str, line: Line, here: _Here) -> HostPci:
    host: list[str] = []
    options: dict[str, str] = {}
    mapping = ""
    for part in value.split(","):
        name, equals, text = part.strip().partition("=")
        if not equals:
            name, text = "host", name
        if name == "host":
            host += [item.strip() for item in text.split(";") if _HOST.match(item.strip())]
        elif name == "mapping":
            mapping = text
        else:
            options[name] = text
    mapped = tuple(dict.fromkeys(path for entry in here.get(mapping, ()) for path in entry.paths))
    return HostPci(key, tuple(host), mapping, options, line, mapped)

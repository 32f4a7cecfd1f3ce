"""What the stack file asks for on a node, as files, live settings and units. Pure but for the texts of templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pvekit.model.mark import vm_tag
from pvekit.model.nodelook import NodeLook
from pvekit.model.stack.home import Schedule, Tuning
from pvekit.model.units import MIB

VMID = "@VMID@"
"""Stands in a text for the VMID of a VM that does not exist yet."""
UNITS = "/etc/systemd/system"
ARC_FILE = "/etc/modprobe.d/zz-pvekit-zfs.conf"
"""PVE's installer writes zfs.conf there; of several values the last file's counts, so this name comes after it."""
KSM_UNIT = "ksmtuned.service"
_ARC = "/sys/module/zfs/parameters/zfs_arc_"
_SWAPPINESS = "/proc/sys/vm/swappiness"
_HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
_KSM_RUN = "/sys/kernel/mm/ksm/run"
_KSM_UNMERGE = "2"
_GOVERNOR = "/cpufreq/scaling_governor"


def render(name: str, values: Mapping[str, object]) -> str:
    """Return a template's text; what renders is loaded only by stacks that ask for such a file."""
    from pvekit.adapters import templates

    return templates.render(f"host/{name}", values)


@dataclass(frozen=True, slots=True)
class Text:
    """A file of pvekit's: its path and what stands below the header."""

    path: str
    body: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that the stack file asks for on a node; ``vm`` is empty for what concerns the node itself.

    ``live`` are settings that take the value at once, in this order; they are compared on every plan unless others
    change them in the course of things (``steady`` False). ``units`` shall run (True) or not (False). With ``gates``
    the VMs of the node start after it. ``initramfs``: a node whose root is on ZFS reads the file from there.
    """

    name: str
    node: str
    texts: tuple[Text, ...]
    vm: str = ""
    live: tuple[tuple[str, str], ...] = ()
    steady: bool = True
    units: Mapping[str, bool] = field(default_factory=dict)
    gates: bool = False
    initramfs: bool = False
    calendar: str = ""


def tuning(wanted: Tuning, look: NodeLook, memory: int) -> list[Item]:
    """Return the settings of a node itself; ``memory`` is its RAM in bytes."""
    node, items = look.node, []
    if wanted.zfs_arc_max_mib is not None:
        items.append(_arc(wanted.zfs_arc_max_mib * MIB, look, memory))
    if wanted.swappiness is not None:
        text = Text("/etc/sysctl.d/90-pvekit.conf", render("sysctl.conf.j2", {"swappiness": wanted.swappiness}))
        items.append(Item("swappiness", node, (text,), live=((_SWAPPINESS, str(wanted.swappiness)),)))
    if wanted.hugepages is not None:
        text = Text(
            "/etc/tmpfiles.d/pvekit-hugepages.conf", render("hugepages.conf.j2", {"hugepages": wanted.hugepages})
        )
        live = ((_HUGEPAGES, str(wanted.hugepages)),)
        # PVE itself raises the number when a VM starts and sets it back when one stops.
        items.append(Item("hugepages", node, (text,), live=live, steady=False, gates=True))
    if wanted.governor is not None:
        text = Text("/etc/tmpfiles.d/pvekit-governor.conf", render("governor.conf.j2", {"governor": wanted.governor}))
        paths = sorted(path for path in look.values if path.endswith(_GOVERNOR))
        items.append(Item("governor", node, (text,), live=tuple((path, wanted.governor or "") for path in paths)))
    if wanted.ksm is not None:
        items.append(_ksm(node, on=wanted.ksm))
    return items


def _arc(size: int, look: NodeLook, memory: int) -> Item:
    # OpenZFS ignores a maximum that is not above the minimum, which is 1/32 of the memory unless it is set (pve-docs,
    # "Limit ZFS Memory Usage").
    least = size - 1 if size <= memory // 32 else None
    body = render("zfs.conf.j2", {"arc_max": size, "arc_min": least})
    wanted = {"min": least, "max": size}
    live = tuple((f"{_ARC}{end}", str(value)) for end, value in wanted.items() if value is not None)
    # Without the module there is no cache to limit yet.
    live = tuple(pair for pair in live if pair[0] in look.values)
    initramfs = look.root_filesystem == "zfs"
    return Item("zfs_arc_max", look.node, (Text(ARC_FILE, body),), live=live, gates=True, initramfs=initramfs)


def _ksm(node: str, *, on: bool) -> Item:
    text = Text("/etc/systemd/system-preset/10-pvekit-ksm.preset", render("ksm.preset.j2", {"ksm": on}))
    # With the daemon off, what was merged stays merged until it is told to part (pve-docs, "KSM").
    live = () if on else ((_KSM_RUN, _KSM_UNMERGE),)
    return Item("ksm", node, (text,), live=live, units={KSM_UNIT: on})


def schedule(stack: str, vm: str, wanted: Schedule, node: str, vmid: int | None) -> list[Item]:
    """Return when the node starts and stops a VM. ``vmid`` None: it does not exist yet."""
    items = []
    for word, what, calendar in (("start", "start", wanted.start), ("stop", "shutdown", wanted.stop)):
        if calendar is None:
            continue
        values = {
            "stack": stack,
            "vm": vm,
            "what": what,
            "calendar": calendar,
            "vmid": VMID if vmid is None else vmid,
            "tag": vm_tag(stack, vm).replace(".", "[.]"),
        }
        stem = unit_stem(stack, vm, word)
        texts = (
            Text(f"{UNITS}/{stem}.service", render("vm.service.j2", values)),
            Text(f"{UNITS}/{stem}.timer", render("vm.timer.j2", values)),
        )
        name = f"schedule: {word}"
        items.append(Item(name, node, texts, vm=vm, units={f"{stem}.timer": True}, calendar=calendar))
    return items


def unit_stem(stack: str, vm: str, word: str) -> str:
    """Return the name of a schedule's units without their endings. Dots and capitals of VM names are fine there."""
    return f"pvekit-{stack}-{vm}-{word}"


def impossible(wanted: Tuning, look: NodeLook) -> list[str]:
    """Return what the node cannot do."""
    reasons = []
    if wanted.governor is not None and wanted.governor not in look.governors:
        offered = ", ".join(sorted(look.governors))
        has = (
            f"it has {offered}" if offered else "its CPU frequency is not controlled by Linux (see the firmware setup)"
        )
        reasons.append(f"{look.node}: there is no CPU frequency governor {wanted.governor}; {has}")
    unit = look.units.get(KSM_UNIT)
    if wanted.ksm and (unit is None or unit.enabled == "not-found"):
        reasons.append(f"{look.node}: ksm needs the package ksm-control-daemon: apt install ksm-control-daemon")
    return reasons


def paths_of(items: Iterable[Item]) -> frozenset[str]:
    """Return the paths of all files."""
    return frozenset(text.path for item in items for text in item.texts)

"""Changes that set the card aside for vfio-pci before a driver of the host takes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.adapters.templates import render
from pvekit.model.finding import Diagnosis
from pvekit.model.hostchange import FileChange
from pvekit.model.hostlook import HostLook
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import bindable, same_id, wanted_by, wanted_ids
from pvekit.passthrough.change_options import failed
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio

CONF = "/etc/modprobe.d/zz-pvekit-vfio.conf"
"""The name matters: of several values for one module option the last file's counts."""
LOAD = "/etc/modules-load.d/pvekit-vfio.conf"
SCRIPT = "/etc/initramfs-tools/scripts/init-top/pvekit-vfio"
HOOK = "/etc/initramfs-tools/hooks/pvekit-vfio"
DRACUT = "/etc/dracut.conf.d/pvekit-vfio.conf"
_MODULES = ("vfio", "vfio_iommu_type1", "vfio_pci")
_CARD_DRIVERS = {"10de": ("nouveau", "nvidia", "nvidiafb"), "1002": ("amdgpu", "radeon"), "8086": ("i915", "xe")}
_OTHERS = {"0403": ("snd_hda_intel",), "0c03": ("xhci_pci",), "0c80": ("i2c_nvidia_gpu",)}
AUTO, IDS, OVERRIDE, NONE = "auto", "ids", "override", "none"


@dataclass(frozen=True, slots=True)
class Binding:
    """The files for it. ``refused``: why it is not done."""

    files: tuple[FileChange, ...] = ()
    refused: tuple[str, ...] = ()


def decide(facts: Facts, diagnosis: Diagnosis, look: HostLook, *, how: str, blacklist: Sequence[str]) -> Binding:
    """Return what sets the target aside; nothing where that is done already."""
    target, devices = facts.get(Target), facts.get(Devices)
    if isinstance(target, Missing):
        return Binding(refused=(f"which card is meant is not known: {target.why}",))
    functions = bindable(target)
    if isinstance(devices, Missing) or not functions:
        return Binding(refused=("no listing of the host shows the card",))
    modprobe, cmdline = facts.get(Modprobe), facts.get(Cmdline)
    given = [wanted_by(device, wanted_ids(modprobe, cmdline)) for device in functions]
    if all(given) and all(on_vfio(device) for device in functions) and not blacklist:
        return Binding()
    by_option = [entry for entry in wanted_ids(Missing("", ""), cmdline) if entry.option]
    unique = not any(same_id(device, devices) for device in functions)
    if how == AUTO:
        how = IDS if unique and not by_option else OVERRIDE
    if how == OVERRIDE and look.initramfs != "initramfs-tools":
        return Binding(refused=(f"single devices are set aside by initramfs-tools only, not by {look.initramfs}",))
    if how == IDS and not unique:
        return Binding(refused=("another device of the host has the same id: it would be set aside as well",))
    names = ", ".join(f"{device.bdf} ({device.id})" for device in functions)
    finding = next((f for check in ("DB-01", "DB-03", "DB-04", "GR-06") if (f := failed(diagnosis, check))), None)
    why = f"{finding.id}: {finding.message}" if finding else f"{names}: set aside before a driver of the host loads"
    done = all(wanted_by(device, wanted_ids(modprobe, Missing("", ""))) for device in functions)
    files = [
        *_conf(functions, modprobe, look, why, ids=how == IDS and not done, blacklist=blacklist),
        *_load(modprobe, look, why),
        *(_script(functions, look, why) if how == OVERRIDE else ()),
    ]
    if files and look.initramfs == "dracut" and DRACUT not in look.files:
        files.append(FileChange(DRACUT, None, render("iommu/dracut.conf.j2", {}), why, mode="0644"))
    return Binding(tuple(files))


def native(functions: Sequence[Device]) -> tuple[str, ...]:
    """Return the modules of the host that could take these devices first."""
    found: dict[str, None] = {}
    for device in functions:
        listed = () if device.listed is None else device.listed.modules
        usual = _CARD_DRIVERS.get(device.vendor, ()) if device.gpu else _OTHERS.get(device.klass, ())
        for name in (*listed, *usual):
            if name.replace("-", "_") not in ("vfio_pci",):
                found[name.replace("-", "_")] = None
    return tuple(found)


def _conf(
    functions: Sequence[Device], modprobe: Modprobe | Missing, look: HostLook, why: str, *, ids: bool,
    blacklist: Sequence[str],
) -> list[FileChange]:  # fmt: skip
    before = look.files.get(CONF)
    settings = () if isinstance(modprobe, Missing) else modprobe.settings
    others = [item for item in settings if not item.ignored and not item.line.file.endswith(CONF.rpartition("/")[2])]
    known = {item.module for item in others if item.kind == "softdep" and "vfio-pci" in item.words}
    softdeps = [name for name in native(functions) if name not in known]
    old = [] if isinstance(modprobe, Missing) else modprobe.options("vfio_pci").get("ids", ("", None))[0].split(",")
    wanted: list[str] = []
    if ids:
        wanted = list(dict.fromkeys([*(item.strip("\"'") for item in old if item), *(item.id for item in functions)]))
    elif before is not None and "options vfio-pci ids=" in before:
        wanted = [item for item in old if item]
    if not (wanted or softdeps or blacklist):
        return []
    # What an earlier change set wrote for another card stays.
    earlier = re.findall(r"^softdep (\S+) pre: vfio-pci$", before or "", re.MULTILINE)
    softdeps = list(dict.fromkeys([*earlier, *softdeps]))
    never = list(dict.fromkeys([*re.findall(r"^blacklist (\S+)$", before or "", re.MULTILINE), *blacklist]))
    variables = {"ids": wanted, "softdeps": softdeps, "blacklist": never}
    text = render("iommu/vfio.conf.j2", variables)
    if text == before:
        return []
    risk = "the host does not use these devices any more, its own display on this card included"
    return [FileChange(CONF, before, text, why, risk, "0644")]


def _load(modprobe: Modprobe | Missing, look: HostLook, why: str) -> list[FileChange]:
    settings = () if isinstance(modprobe, Missing) else modprobe.settings
    loaded = {item.module for item in settings if item.kind == "load" and not item.ignored}
    missing = [name for name in _MODULES if name not in loaded]
    before = look.files.get(LOAD)
    if not missing or before is not None:
        return []
    return [FileChange(LOAD, None, render("iommu/modules.conf.j2", {"modules": missing}), why, mode="0644")]


def _script(functions: Sequence[Device], look: HostLook, why: str) -> list[FileChange]:
    devices = dict(re.findall(r"^set_aside (\S+) (0x\S+)$", look.files.get(SCRIPT, ""), re.MULTILINE))
    devices |= {str(device.bdf): f"0x{device.vendor}:0x{device.device}" for device in functions}
    texts = {
        SCRIPT: render("iommu/initramfs-script.j2", {"devices": list(devices.items())}),
        HOOK: render("iommu/initramfs-hook.j2", {}),
    }
    risk = "a mistake in the initramfs can keep the host from starting; an older kernel's entry still has the old one"
    return [
        FileChange(path, look.files.get(path), text, why, risk if path == SCRIPT else "", "0755")
        for path, text in texts.items()
        if look.files.get(path) != text
    ]

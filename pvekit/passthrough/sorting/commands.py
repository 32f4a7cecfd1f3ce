"""What follows a shell prompt or a heading: the role of the output of a command, or of a file that is named."""

from __future__ import annotations

import re

from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.sorting import names

_COMMANDS = tuple(
    (Pattern(pattern), role)
    for pattern, role in (
        (r"reserved_regions", "reserved_regions.txt"),
        (r"/sys/class/iommu\b", "sys_class_iommu.txt"),
        (r"iommu_groups?\b|hardware/pci\b", "iommu_groups.txt"),
        (r"/proc/cmdline", "cmdline.txt"),
        (r"/etc/kernel/cmdline", "kernel-cmdline.txt"),
        (r"^journalctl\b.*-u\s*(?:pve|qemu)", "task.log"),
        (r"^(?:dmesg|journalctl)\b|/var/log/(?:kern\.log|syslog|messages|dmesg)", "dmesg.txt"),
        (r"^uname\b", "uname.txt"),
        (r"^pveversion\b", "pveversion.txt"),
        (r"^lspci\b.*\s-\w*t", "lspci-tree.txt"),
        (r"^lspci\b", "lspci.txt"),
        (r"/proc/iomem", "iomem.txt"),
        (r"/proc/interrupts", "interrupts.txt"),
        (r"/proc/cpuinfo|^lscpu\b", "cpuinfo.txt"),
        (r"/proc/meminfo", "meminfo.txt"),
        (r"^lsmod\b|/proc/modules", "lsmod.txt"),
        (r"modprobe\.d\b", "modprobe.d/"),
        (r"modules-load\.d\b", "modules-load.d/"),
        (r"/etc/modules\b", "modules.txt"),
        (r"/sys/module/\S+/parameters", "module_params.txt"),
        (r"/sys/(?:bus/pci|devices/pci)", "pci_sysfs.txt"),
        (r"/sys/firmware/acpi/tables", "acpi_tables.txt"),
        (r"/dev/vfio", "dev_vfio.txt"),
        (r"/etc/default/grub\.d", "default-grub.d/"),
        (r"/etc/default/grub\b|GRUB_CMDLINE", "default-grub.txt"),
        (r"grub\.cfg\b", "grub.cfg"),
        (r"^(?:efibootmgr|proxmox-boot-tool (?:status|kernel list)|bootctl|mokutil)\b|/sys/firmware/efi\b", "boot.txt"),
        (r"^lsinitramfs\b", "initramfs.txt"),
        (r"^dmidecode\b|/sys/class/dmi", "dmi.txt"),
        (r"^qm config\b|/etc/pve/(?:nodes/\S+/)?qemu-server/|^virsh dumpxml\b", "vm.conf"),
        (r"/etc/pve/mapping/pci\.cfg", "pci-mapping.cfg"),
        (r"^qm pending\b", "pending.txt"),
        (r"^qm showcmd\b", "showcmd.txt"),
        (r"^qm start\b|/var/log/pve/tasks", "task.log"),
        (r"^virsh start\b|/var/log/libvirt/qemu/", "libvirt.log"),
        (r"^ulimit\b|^prlimit\b|/proc/\d+/limits", "ulimit.txt"),
        (r"^nvidia-smi\b", "guest/nvidia-smi.txt"),
        (r"^modinfo\b.*\bnvidia", "guest/modinfo.txt"),
    )
)  # fmt: skip
_READERS = Pattern(
    r"^(?:cat|less|more|tail|head|grep|egrep|zgrep|rg|find|ls|ll|tree|for|readlink|nano|vi|vim|bat|pvesh)\b"
)
_FIRST = Pattern(
    r"^(?:dmesg|journalctl|uname|pveversion|lspci|lscpu|lsmod|efibootmgr|proxmox-boot-tool|bootctl|mokutil|lsinitramfs|"
    r"dmidecode|qm|virsh|ulimit|prlimit|nvidia-smi|modinfo|cat|less|more|tail|head|grep|find|ls|for|pvesh|readlink)$"
)
_SECOND = Pattern(r"[-|/'\"<]|\d+$|(?:output|log|result|config|start|pending|status|list)\b")
_ONLY_A_SIDE = Pattern(r"(?i)(?:(?:in|inside|on|from|within|the|my|a|guest|host|vm|side|machine)\W*)+$")
_PATH = Pattern(r"^(?:/(?:etc|proc|sys|var|boot|dev)/[\w./*@+:-]+|(?:[\w.-]+/)*[\w.-]+\.conf):?$")
_MARKS = " \t#*_=>`\"'|:-"
_PVE_ONLY = Pattern(r"^(?:qm|pve\w+|pct|proxmox-boot-tool|ha-manager)\b|/etc/pve/")


def of_command(command: str) -> str | None:
    """Return the role of what a command prints; None when it is nothing that is known here."""
    text = re.sub(r"^(?:sudo\s+(?:-\w+\s+)*|/usr/s?bin/|/s?bin/)+", "", command.strip())
    for pattern, role in _COMMANDS:
        found = pattern.search(text) if pattern.possible(text) else None
        if found and (pattern.pattern.startswith("^") or found.start() == 0 or _READERS.match(text)):
            return role
    return None


def only_pve(command: str) -> bool:
    """Tell whether a command exists on a Proxmox VE host only."""
    return _PVE_ONLY.search(re.sub(r"^sudo\s+", "", command.strip())) is not None


def filtered(command: str) -> bool:
    """Tell whether a command shows a part only, so that no output does not mean that there is nothing."""
    return "grep" in command or "awk" in command or "| head" in command


def of_heading(text: str) -> str | None:
    """Return the role that a heading announces: a command, a path, or the usual name of such a text."""
    if len(text) > 120:
        return None
    bare = text.strip().strip(_MARKS)
    words = bare.split()
    if not words or len(words) > 14:
        return None
    if words[0] == "sudo":
        words = words[1:]
    if words and _FIRST.match(words[0]) and (len(words) == 1 or words[0] == "for" or _SECOND.match(words[1])):
        return of_command(" ".join(words))
    if len(words) == 1 and _PATH.match(bare):
        return of_command(f"cat {bare}") or names.label(bare.rpartition("/")[2])
    shown = re.search(r"`([^`]{3,80})`", text) if "`" in text else None
    if shown and text.rstrip().endswith((":", "`")):
        return of_command(shown[1]) or (of_command(f"cat {shown[1]}") if shown[1].startswith("/") else None)
    title = text.rstrip(" *_").endswith(":") or text.lstrip().startswith(("#", "*", "=", "-"))
    if len(words) > 4 or not title or _ONLY_A_SIDE.match(bare):
        return None
    return names.label(re.sub(r"\b(?:the|my|full|output|of|contents?|from|complete)\b", " ", bare))


def names_file(text: str) -> bool:
    """Tell whether a heading is a path and nothing else: readers of such files know it as the name of what follows."""
    return _PATH.match(text.strip().lstrip("#").strip()) is not None

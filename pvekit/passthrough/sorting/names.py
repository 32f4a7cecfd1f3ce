"""What a file is by its name: the bundle's own names, and those that other people give the same things."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Named:
    """The role that a name gives away, and on which side the name says it was collected ("" where it does not tell)."""

    role: str
    side: str = ""


_ALIASES = {
    "cmdline.txt": "cmdline proc_cmdline kernel_command_line kernel_cmd_line",
    "dmesg.txt": "dmesg journal journalctl journalctl_k journal_k syslog kern kern_log kernlog kernel kernel_log "
    "messages boot_log bootlog var_log_dmesg",
    "uname.txt": "uname uname_a uname_r uname_rv kernel_version",
    "pveversion.txt": "pveversion pveversion_v pve_version pveversions",
    "lspci.txt": "lspci pci_devices pcidevices",
    "lspci-tree.txt": "lspci_t lspci_tv lspci_vt lspci_tvnn lspci_tvv lspci_tnn lspci_tree pci_tree",
    "iommu_groups.txt": "iommu_groups iommu_group iommugroups sys_kernel_iommu_groups groups iommu_grouping "
    "pvesh_hardware_pci hardware_pci",
    "reserved_regions.txt": "reserved_regions iommu_reserved_regions rmrr",
    "iomem.txt": "iomem proc_iomem",
    "interrupts.txt": "interrupts proc_interrupts",
    "cpuinfo.txt": "cpuinfo proc_cpuinfo cpuinfo_flags lscpu cpu cpu_flags",
    "meminfo.txt": "meminfo proc_meminfo",
    "lsmod.txt": "lsmod proc_modules loaded_modules",
    "modules.txt": "modules etc_modules",
    "modprobe.d/": "modprobe_d modprobe etc_modprobe_d modprobe_conf vfio_conf vfio_pci_conf blacklist_conf "
    "pve_blacklist_conf blacklist_nvidia_conf blacklist_nouveau_conf kvm_conf nvidia_conf iommu_unsafe_interrupts_conf",
    "modules-load.d/": "modules_load_d modules_load etc_modules_load_d",
    "module_params.txt": "module_params module_parameters modparams sys_module_parameters params parameters",
    "pci_sysfs.txt": "pci_sysfs sysfs_pci sys_bus_pci_devices sysfs",
    "power_state.txt": "power_state power_states",
    "reset_method.txt": "reset_method reset_methods",
    "acpi_tables.txt": "acpi_tables sys_firmware_acpi_tables acpi",
    "sys_class_iommu.txt": "sys_class_iommu class_iommu",
    "default-grub.txt": "default_grub etc_default_grub grub grub_default",
    "kernel-cmdline.txt": "kernel_cmdline etc_kernel_cmdline",
    "boot.txt": "boot proxmox_boot_tool proxmox_boot_tool_status efibootmgr bootctl mokutil boot_loader bootloader",
    "initramfs.txt": "initramfs initrd lsinitramfs initramfs_modules",
    "dmi.txt": "dmi dmidecode sys_class_dmi",
    "vm.conf": "vm vmconf vm_conf vm_config vmconfig qm_config qmconfig qemu_server",
    "pending.txt": "pending qm_pending",
    "task.log": "task task_log tasklog qm_start vm_start start_log start_error task_error tasks",
    "qemu.log": "qemu qemu_log qemu_error kvm_log inner_qemu qemu_output qemu_stderr",
    "libvirt.log": "libvirt libvirt_log libvirtd virsh_start",
    "ulimit.txt": "ulimit ulimits ulimit_a ulimit_l limits prlimit",
    "guest/nvidia-smi.txt": "nvidia_smi nvidiasmi",
    "guest/modinfo.txt": "modinfo modinfo_nvidia",
    "note.txt": "note notes readme read_me",
    "showcmd.txt": "showcmd qm_showcmd",
    "grub.cfg": "grub_cfg boot_grub_grub_cfg",
    "rom-parser.txt": "rom_parser romparser",
    "dev_vfio.txt": "dev_vfio ls_dev_vfio",
    "systemctl_failed.txt": "systemctl_failed failed_units",
    "host_uses.txt": "host_uses",
    "pci-mapping.cfg": "pci_mapping mapping_pci pci_cfg",
    "baseline.json": "baseline_json pvekit_baseline",
}
_ROLES = {alias: role for role, aliases in _ALIASES.items() for alias in aliases.split()}

_TELLING = frozenset({
    "cmdline", "dmesg", "journalctl", "syslog", "uname", "pveversion", "lspci", "iommu_groups", "reserved_regions",
    "iomem", "interrupts", "cpuinfo", "lscpu", "meminfo", "lsmod", "module_params", "pci_sysfs", "acpi_tables",
    "sys_class_iommu", "default_grub", "efibootmgr", "lsinitramfs", "initramfs", "dmidecode", "nvidia_smi", "modinfo",
    "libvirt", "qm_config", "qm_pending", "qm_start", "qm_showcmd", "qemu", "ulimit", "reset_method", "power_state",
    "lspci_tv", "lspci_t", "proc_modules", "kernel_cmdline", "modprobe_d", "journal", "task_log",
})  # fmt: skip
"""Words that tell the role wherever they stand in a name, such as ``my_server_dmesg_2``."""

HOST_ONLY = frozenset({
    "vm.conf", "vms/", "pending.txt", "task.log", "qemu.log", "libvirt.log", "note.txt", "pveversion.txt",
    "showcmd.txt", "pci-mapping.cfg",
})  # fmt: skip
"""Roles that a hypervisor's side has only, whatever folder the file lies in."""
_GUEST = frozenset({
    "guest", "guests", "inside", "invm", "vmguest", "win", "windows", "win7", "win10", "win11", "windows10",
    "windows11",
})  # fmt: skip
_HOST = frozenset({"host", "hypervisor", "pve", "proxmox", "node"})
_FOLDERS = frozenset({
    "guest", "vms", "modprobe.d", "etc_modprobe.d", "modules-load.d", "etc_modules-load.d", "qemu-server", "qemu",
    "grub.d", "etc", "proc", "sys", "var",
})  # fmt: skip
"""Folders whose name says something: they are not taken off as the one folder that holds everything."""
_ENDING = Pattern(r"\.(?:txt|log|out|md|text|cfg|conf|list|err|stdout)$")
_OLD = Pattern(r"(?:\.(?:\d|old|bak|orig|prev)|~)$")


def common(files: Iterable[str]) -> int:
    """Return how many folders lie around all files without meaning anything."""
    paths = [_parts(file)[:-1] for file in files]
    depth = 0
    while paths and all(len(path) > depth for path in paths):
        names = {path[depth] for path in paths}
        if len(names) > 1 or names & _FOLDERS or _words(next(iter(names))) & (_GUEST | _HOST):
            break
        depth += 1
    return depth


def named(file: str, depth: int = 0) -> Named | None:
    """Return what a file's path says; None when the name tells nothing. ``depth`` folders in front are left out."""
    parts = _parts(file)[depth:]
    if not parts:
        return None
    *folders, name = parts
    told = _side(folders, name)
    role = _by_folder(folders, name) or label(name)
    if role is None:
        return None
    if role.startswith("guest/"):
        return Named(role.removeprefix("guest/") if told == "host" else role, told or "guest")
    if role in HOST_ONLY:
        return Named(role, "host")
    return Named(f"guest/{role}" if told == "guest" else role, told or "host")


def side(file: str, depth: int = 0) -> str:
    """Return on which side a file was collected by its path: host, guest or "" (not told)."""
    *folders, name = _parts(file)[depth:] or [""]
    return _side(folders, name)


def label(name: str) -> str | None:
    """Return the role that a file's name, or the heading of a text, stands for."""
    low = _OLD.sub("", name.lower().strip())
    if low.endswith(".xml"):
        return "vms/"
    whole = re.sub(r"[^a-z0-9]+", "_", low).strip("_")
    bare = re.sub(r"[^a-z0-9]+", "_", _ENDING.sub("", low)).strip("_")
    if re.fullmatch(r"(?:vm_?|qm_config_|qm_)?[1-9]\d{2,8}(?:_conf)?", whole) and ("conf" in whole or "vm" in whole):
        return "vms/"
    if whole in _ROLES or bare in _ROLES:
        return _ROLES.get(whole) or _ROLES[bare]
    words = [word for word in bare.split("_") if word not in _GUEST | _HOST and not word.isdigit() and word]
    if not words:
        return None
    rest = "_".join(words)
    if rest in _ROLES:
        return _ROLES[rest]
    if words[0] == "vm" and len(words) > 1 and "_".join(words[1:]) in _ROLES:
        return _ROLES["_".join(words[1:])]
    return _telling(rest)


def _telling(name: str) -> str | None:
    """Return the one role that the words of a name tell; None when they tell none, or several."""
    padded = f"_{name}_"
    found = [word for word in _TELLING if f"_{word}_" in padded]
    best = [word for word in found if not any(word != other and f"_{word}_" in f"_{other}_" for other in found)]
    roles = {_ROLES[word] for word in best}
    return roles.pop() if len(roles) == 1 else None


def _parts(file: str) -> list[str]:
    return [part for part in file.replace("\\", "/").lower().split("/") if part not in ("", ".")]


def _words(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z0-9]+", name))


def _side(folders: list[str], name: str) -> str:
    words = [_words(_ENDING.sub("", part)) for part in (*folders, name)]
    if any(found & _GUEST for found in words) or re.match(r"(?:in[-_])?vm[-_](?:dmesg|lspci|nvidia|modinfo)", name):
        return "guest"
    return "host" if any(found & _HOST for found in words) else ""


def _by_folder(folders: list[str], name: str) -> str | None:
    """Return the role of a file in a folder that a host has too."""
    path = "/".join(folders)
    if re.search(r"(?:^|[/_])modprobe\.d(?:/|$)", path):
        return "modprobe.d/"
    if re.search(r"(?:^|[/_])modules-load\.d(?:/|$)", path):
        return "modules-load.d/"
    if re.search(r"(?:^|/)(?:default-)?grub\.d(?:/|$)", path):
        return "default-grub.d/"
    if re.search(r"(?:^|/)(?:qemu-server|vms)(?:/|$)", path):
        return "vms/"
    if re.search(r"(?:^|/)libvirt(?:/|$)", path):
        return "vms/" if name.endswith(".xml") else "libvirt.log"
    if re.search(r"(?:^|/)pve/tasks(?:/|$)", path) or name.startswith("upid"):
        return "task.log"
    exact = {"etc/kernel": {"cmdline": "kernel-cmdline.txt"}, "etc": {"modules": "modules.txt"},
             "proc": {"modules": "lsmod.txt"}, "etc/default": {"grub": "default-grub.txt"}}  # fmt: skip
    for folder, files in exact.items():
        if (path == folder or path.endswith(f"/{folder}")) and name in files:
            return files[name]
    return None

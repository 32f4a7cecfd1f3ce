"""What a line looks like: which program or file prints such lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape

from pvekit.passthrough import logs
from pvekit.passthrough.lspcitext import ADDRESS, head, plain
from pvekit.passthrough.pattern import Pattern

_LONGEST = 2000
"""Nothing behind so many characters is needed to know a line."""
_COLOUR = Pattern(r"\x1b\[[0-9;?]*[A-Za-z]")
_MARK = r"\[/?(?:code|icode|quote|spoiler|pre|plain)\b[^\]]*\]|</?(?:code|pre|blockquote|p|span|br|div)\b[^>]*>"
_TAGS = Pattern(rf"^(?:\s*(?:{_MARK}))+|(?:(?:{_MARK})\s*)+$", re.IGNORECASE)
_QUOTED = Pattern(r"^[ \t]{0,3}(?:>[ ]?)+")


@dataclass(frozen=True, slots=True)
class Look:
    """One kind of text. ``sure`` lines show it alone, ``near`` lines belong to it where they stand beside a sure one.

    ``least`` sure lines make a run that nothing announces.
    """

    role: str
    sure: Pattern
    near: Pattern
    least: int = 1


_NEVER = r"(?!)"
_CUT = r"^\s*[<\[(]?\s*(?:\.{2,}|…|-{2,}|[.\s-]*(?:snip|snipped|cut|truncated)[.\s-]*)\s*[>\])]?\s*$"
_KEYS = (
    "agent|affinity|args|arch|audio0|autostart|balloon|bios|boot|bootdisk|cdrom|ci\\w+|citype|cores|cpu|cpulimit|"
    "cpuunits|description|digest|efidisk0|freeze|hookscript|hostpci\\d+|hotplug|hugepages|ide\\d|ipconfig\\d+|ivshmem|"
    "keephugepages|keyboard|kvm|localtime|lock|machine|memory|meta|migrate_\\w+|name|nameserver|net\\d+|numa\\d*|onboot|"
    "ostype|parallel\\d|parent|pool|protection|reboot|rng0|sata\\d|scsi\\d+|scsihw|searchdomain|serial\\d|shares|smbios1|"
    "smp|snaptime|sockets|spice_enhancements|sshkeys|startdate|startup|tablet|tags|tdf|template|tpmstate0|unused\\d+|"
    "usb\\d+|vcpus|vga|virtio\\d+|vmgenid|vmstate|vmstatestorage|watchdog|runningmachine|runningcpu"
)
_START = (
    r"\bTASK (?:ERROR|OK|WARNINGS)\b|\bstart failed: |cannot prepare PCI pass-?through|Cannot bind \S+ to vfio"
    r"|can't unbind/bind PCI group|can't reset PCI device|failed to reset PCI device|Cannot find vfio-pci module"
    r"|no PCI device found for|PCI device '?[0-9a-f:.]+'? (?:is )?already in use by VMID|no efidisk configured!"
    r"|QEMU exited with code|^swtpm_setup: |unable to find configuration file for VM|^Requesting HA start for VM"
    r"|got timeout\s*$|could not find a free PCI|only root can set '\w+' config|PCI device mapping invalid"
    r"|\bUPID:(?:[^:\s]+:){4}qm(?:re)?(?:start|boot):\d+:"
)
_QEMU = (
    r"^(?:/usr/bin/)?(?:kvm|qemu|qemu-kvm|qemu-system-\w+): (?:-\w|warning: |error: |info: |vfio|VFIO|\.\./|[Uu]nable|"
    r"[Ff]ailed|[Cc]annot|[Cc]ould not|terminating)"
    r"|group \d+ is not viable|^Please ensure all devices within the iommu_group are bound"
    r"|^QEMU \d+\.\d+\S* monitor|VFIO_MAP_DMA failed|No available IOMMU models"
)
_LIBVIRT = (
    r"starting up libvirt version|^LC_ALL=C|^error: (?:Failed to start domain|internal error|Requested operation|"
    r"unsupported configuration|Unable to)|shutting down, reason=|unexpectedly closed the monitor"
    r"|^[Ii]nternal error: |^Domain '?\S+'? started|Error starting domain: "
)
_LSPCI_NEAR = Pattern(
    r"^(?:Subsystem|Kernel driver in use|Kernel modules|Flags|Memory at|I/O ports at|Expansion ROM at|Capabilities|"
    r"Control|Status|Latency|Interrupt|NUMA node|IOMMU group|Region \d|DeviceName|Physical Slot|Bus: primary|BIST|"
    r"Memory behind bridge|I/O behind bridge|Prefetchable memory behind|Secondary status|BridgeCtl|Virtual: |"
    r"\[virtual\]|!!! )|^\s+\S"
)
_MEMBER = rf"^[\s*|•├└─>\[\]R-]*(?:\[?[0-9a-fA-F]{{4}}:[0-9a-fA-F]{{4}}\]?\s+)?(?:\[R\]\s+)?{ADDRESS}(?![\w.])"


def _look(role: str, sure: Sequence[str], near: Sequence[str] = (_NEVER,), least: int = 1) -> Look:
    return Look(role, Pattern("|".join(sure)), Pattern("|".join(near)), least)


_LOOKS = (
    _look("task.log", [_START], [r"^(?:WARN|WARNING|INFO): |^generating "]),
    _look("qemu.log", [_QEMU], [r"^rc=\d+$", r"^\(qemu\)"]),
    _look(
        "libvirt.log",
        [_LIBVIRT],
        [r"^(?:-\w|HOME=|PATH=|XDG_|QEMU_AUDIO|/usr/)\S*.*\\$", r"^\d{4}-\d\d-\d\d \d\d:"],
    ),
    _look(
        "guest/dmesg.txt",
        [
            r"Windows has stopped this device because it has reported problems",
            r"This device cannot find enough free resources that it can use",
        ],
    ),
    _look("cmdline.txt", [r"^\s*(?:BOOT_IMAGE=\S+|initrd=\\\S+)\s"]),
    _look("kernel-cmdline.txt", [r"^root=\S+(?:\s+[\w.-]+(?:=\S*)?)+\s*$"]),
    _look(
        "reserved_regions.txt",
        [
            r"^[^#]*0x[0-9a-f]{8,16} 0x[0-9a-f]{8,16} (?:direct|direct-relaxable|msi|reserved)\b",
            r"iommu_groups/\d+/reserved_regions",
        ],
        [r"(?i:^\W*(?:iommu )?group\W{0,3}\d+\W*$)"],
    ),
    _look("module_params.txt", [r"/sys/module/[\w-]+/parameters/\w+"], [r"^[YN0-9]\d*$", r"^\(null\)$"]),
    _look(
        "sys_class_iommu.txt",
        [
            r"(?:^|\s)(?:dmar|ivhd)\d+ -> \S*iommu",
            r"^(?:/sys/class/iommu/)?(?:dmar|ivhd)\d+(?:\s+(?:/sys/class/iommu/)?(?:dmar|ivhd)\d+)*\s*$",
        ],
        [r"^total \d", r"^[dl][rwxs-]{9}", r"^/sys/class/iommu"],
    ),
    _look(
        "pci-mapping.cfg",
        [r"^\s*map (?:\S+,)?path=[0-9a-f]{4,8}:[0-9a-f]{2}:"],
        [r"^[A-Za-z][\w-]+\s*$", r"^\s*(?:map|mdev|description|live-migration-capable) \S"],
    ),
    _look(
        "iommu_groups.txt",
        [
            r"iommu_groups/\d+/devices",
            rf"{ADDRESS}/iommu_group\b",
            r"(?i:^[\s#*=_>-]*(?:iommu[\s_-]?)group\W{0,4}(?:\d+|\*)(?![\w.]|:[0-9a-f]{2}))",
            rf"(?i:^[\s#*=_>-]*group\W{{0,4}}\d+\W{{0,6}}(?:$|\s*{ADDRESS}))",
            r"\biommugroup\b",
            r"<iommuGroup ",
        ],
        [
            _MEMBER,
            r"^\s*[│┃┌├└╞╘╔╠╚|+{}\[\]]",
            r"^\s*\"[\w-]+\"\s*:",
            r"^\s*</?[a-z]",
            r"^l[rwx-]{9} ",
            r"^\s+(?:Subsystem|DeviceName): ",
            r"^\s*(?:Kernel driver in use|Kernel modules): ",
        ],
    ),
    _look(
        "pci_sysfs.txt",
        [
            rf"/sys/(?:bus/pci|devices/pci)\S*{ADDRESS}/\w+",
            rf"^\s*{ADDRESS}\s.*\b(?:driver|boot_vga|reset|reset_method|override|power_state)=",
        ],
        [r"^0x[0-9a-f]{16} 0x", r"^\s*\w+="],
    ),
    _look("iomem.txt", [r"^\s*[0-9a-f]{8,16}-[0-9a-f]{8,16} : \S"], [_CUT]),
    _look(
        "interrupts.txt",
        [r"^\s*CPU0(?:\s+CPU\d+)*\s*$", r"^\s*\d{1,5}:\s+\d+\s.*(?:PCI-MSI|IO-APIC|DMAR-MSI|IR-)"],
        [r"^\s*[A-Z0-9]{1,5}:\s+\d"],
    ),
    _look(
        "boot.txt",
        [
            r"^BootCurrent: ",
            r"^Boot[0-9A-F]{4}[* ] ?\S",
            r"is configured with: (?:uefi|grub)",
            r"^System currently booted with ",
            r"^SecureBoot (?:enabled|disabled)",
            r"^\s*Secure Boot: ",
            r"^\s*Product: systemd-boot",
        ],
        [
            r"^(?:BootOrder|Timeout|BootNext): ",
            r"^(?:WARN|E|W): ",
            r"^\d+\.\d+\.\d+-\d+-pve",
            r"kernels?:$",
            r"^None\.$",
            r"^Re-executing",
        ],
    ),
    _look(
        "initramfs.txt",
        [r"(?:^|\s)(?:usr/)?lib/modules/\S+\.ko(?:\.\w+)?$", r"^etc/modprobe\.d/\S+$"],
        [r"^(?:usr|etc|lib|bin|conf|scripts|sbin|init|run)\b[\w/.+@-]*$"],
    ),
    _look(
        "dmi.txt",
        [
            r"^Handle 0x[0-9A-F]{4}, DMI type \d+",
            r"^# dmidecode \d",
            r"^(?:BIOS|System|Base Board|System Slot|Chassis|Memory Device) Information\s*$",
            r"^(?:bios|sys|product|board)_(?:version|vendor|name|date)\s*[=:]",
        ],
        [r"^\s+\S", r"^(?:SMBIOS|Table at|End Of Table|Getting SMBIOS|Memory Device|Cache|Port Connector)"],
    ),
    _look("pending.txt", [r"^(?:cur|new|del) [a-z][\w-]+(?:: |\s*$)"], least=2),
    _look(
        "showcmd.txt",
        [
            r"^\s*(?:/usr/bin/)?(?:kvm|qemu-system-x86_64)\s+-(?:id|name|machine|enable-kvm|nodefaults)\b",
            r"^-device ['\"]?vfio-pci,",
        ],
        [r"^\s*-\w"],
    ),
    _look(
        "vm.conf",
        [
            r"^\s*hostpci\d+: ",
            r"^(?:scsihw|vmgenid|smbios1|ostype): \S",
            r"^efidisk0: \S+:",
            r"^bios: (?:ovmf|seabios)\s*$",
            r"^machine: (?:pc|q35|virt)",
            r"^args: -",
            r"^net\d+: (?:virtio|e1000|rtl8139|vmxnet3)",
            r"^(?:scsi|virtio|sata|ide)\d+: \S+:\S",
            r"<domain type=",
            r"<hostdev ",
        ],
        [rf"^(?:{_KEYS}):(?:\s|$)", r"^\[[\w. :-]+\]$", r"^#", r"^\s*</?[a-z]"],
    ),
    _look("default-grub.txt", [r"^\s*#?\s*GRUB_[A-Z_]+\+?="], [r"^\s*#"]),
    _look(
        "modprobe.d/",
        [
            r"^\s*options\s+[\w-]+\s+[\w.]+=",
            r"^\s*blacklist\s+[\w-]+\s*$",
            r"^\s*softdep\s+[\w-]+\s+(?:pre|post):",
            r"^\s*install\s+[\w-]+\s+/",
            r"(?:^|/)modprobe\.d/[\w.@+-]+:(?:options|blacklist|softdep|install|#)",
        ],
        [r"^\s*#", r"^\s*alias\s"],
    ),
    _look(
        "modules.txt",
        [r"^(?:vfio|vfio_iommu_type1|vfio_pci|vfio-pci|vfio_virqfd|vfio_mdev|kvmgt)\s*$"],
        [r"^\s*#", r"^[a-z0-9_-]+\s*$"],
        least=2,
    ),
    _look("modules-load.d/", [_NEVER], [r"^\s*#", r"^[a-z0-9_-]+\s*$"]),
    _look(
        "pveversion.txt",
        [
            r"^(?:proxmox-ve|pve-manager|qemu-server|pve-qemu-kvm|(?:pve|proxmox)-kernel-\S+): \d",
            r"^pve-manager/\d",
        ],
        [r"^[a-z0-9][a-z0-9.+-]+: (?:\d|not correctly|residual)"],
    ),
    _look(
        "uname.txt",
        [
            r"^\s*Linux \S+ \d+\.\d+\.\d+\S* #\d",
            r"^\s*\d+\.\d+\.\d+-\d+-pve\s*$",
            r"^[Kk]ernel(?: [Vv]ersion)?:?\s+Linux \d+\.\d+",
        ],
    ),
    _look(
        "meminfo.txt",
        [r"^(?:MemTotal|MemFree|MemAvailable|HugePages_Total|HugePages_Free|Hugepagesize|Hugetlb):\s+\d+"],
        [r"^[A-Z]\w+(?:\(\w+\))?:\s+\d+(?: kB)?\s*$"],
    ),
    _look(
        "cpuinfo.txt",
        [r"^(?:vendor_id|cpu family|model name|Model name|Vendor ID|flags|Flags|Virtualization)\s*:\s+\S"],
        [r"^[a-z][\w ]*\t+:", r"^[A-Z][\w() -]*:\s{2,}"],
    ),
    _look("ulimit.txt", [r"^[Mm]ax locked memory\s"], [r"^[A-Za-z ]+\(.*-\w\) ", r"^Max [a-z ]+\s"]),
    _look(
        "guest/nvidia-smi.txt",
        [r"\bNVIDIA-SMI\b", r"^No devices were found\s*$", r"^GPU \d+: .*\(UUID: "],
        [r"^\s*[|+]"],
    ),
    _look(
        "guest/modinfo.txt",
        [r"^filename:\s+\S*nvidia\S*\.ko", r"^license:\s+(?:NVIDIA|Dual MIT/GPL)\s*$"],
        [
            r"^(?:version|license|srcversion|alias|depends|parm|vermagic|firmware|author|description|name):\s",
            r"^(?:retpoline|supported|import_ns|intree|sig\w*|signer|softdep):\s",
        ],
    ),
    _look("lspci-tree.txt", [r"^\s*-\[[0-9a-f]{4}(?::[0-9a-f]{2})?\]-"], [r"^\s+[+\\|]"]),
)
_BY_ROLE = {look.role: look for look in _LOOKS}

_KERNEL = Pattern(
    r"^(?:"
    + "|".join(
        (
            r"DMAR(?:-IR)?: |AMD-Vi: |Intel-IOMMU: |iommu: |PCI-DMA: |perf/amd_iommu|ACPI: [A-Z]",
            rf"vfio[-_]pci(?: {ADDRESS})?: |vfio_\w+: |VFIO - |vgaarb: |efifb: |simple-framebuffer |fb\d+: ",
            rf"(?:pci|pcieport|nvidia|nouveau|amdgpu|radeon|i915|xe|snd_hda_intel|xhci_hcd|ahci|nvme|ast) {ADDRESS}: ",
            rf"(?:e1000e|igb|bochs-drm|mlx5_core|mpt3sas|r8169) {ADDRESS}: |pci_bus [0-9a-f]{{4}}:",
            r"NVRM: |nvidia-nvlink: |nvidia-modeset: |nvidia: (?:module|loading)|\[drm[\]:]|Console: switching",
            r"Linux version \d|(?:Kernel c|C)ommand line: |BIOS-e820: |smpboot: |x86/|Hypervisor detected: ",
            r"irq \d+: nobody cared|Disabling IRQ #|Warning: PCIe ACS overrides enabled|Freeing unused|systemd\[1\]: ",
            r"kvm: (?:disabled by bios|no hardware support|VMX|already loaded|Nested)|kvm_(?:intel|amd): ",
            r"kvm \[\d+\]: ",
            r"secureboot: |Kernel is locked down|DMI: |efi: |RIP: 0010:|Call Trace:|BUG: |WARNING: CPU: \d|Tainted: ",
            r"Hardware name: ",
        )
    )
    + ")"
)
_XORG = Pattern(r"^\((?:II|EE|WW|--|==|\*\*|\+\+|NI|\?\?)\)")
_DAY = Pattern(r"^\s*(?:> ?)?\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]")
_DAEMON = Pattern(r"^[\w./@()-]{1,60}(?:\[\d+\])?: ")
_JOURNAL = Pattern(r"^-- (?:Logs begin|Journal begins|Boot [0-9a-f]|Reboot --)")
_ROW = Pattern(r"^([A-Za-z0-9][\w-]*)\s+(\d{3,9})\s+-?\d+(?:\s+[\w,-]+)?\s*$")
_MODULE = Pattern(r"^Module\s+Size\s+Used by\s*$|^\w+ \d+ \d+ \S+ (?:Live|Loading|Unloading) 0x[0-9a-f]+")


def clean(text: str) -> str:
    """Return a line as it is looked at: without colours, marks of quotations and tags of forums."""
    text = text[:_LONGEST]
    return plain(logs.typed(typed(_COLOUR.sub("", text) if "\x1b" in text else text)))


def typed(text: str) -> str:
    """Return a line that was pasted somewhere without what mail, forums and web pages put around it."""
    if "&" in text:
        # A line stays one line, whatever it spells out.
        text = " ".join(unescape(text).splitlines())
    # Most lines have nothing of it, which their ends show sooner than expressions do.
    if ">" in text:
        text = _QUOTED.sub("", text)
    bare = text.strip()
    if bare[-1:] in ("]", ">") or (bare[:1] in ("[", "<") and bare[1:2] != " " and not bare[1:2].isdigit()):
        text = _TAGS.sub("", text)
    return _QUOTED.sub("", text) if ">" in text else text


def sure(text: str) -> str | None:
    """Return the role of a line that shows by itself what it is."""
    if not text.strip():
        return None
    if _MODULE.search(text):
        return "lsmod.txt"
    message, stamp, seconds = logs.strip(text)
    logged = _logged(text, message, stamp, seconds)
    if logged is not None:
        return logged
    if (row := _ROW.match(text)) and int(row[2]) % 4096 == 0:
        return "lsmod.txt"
    for look in _LOOKS:
        if look.sure.possible(text) and look.sure.search(text):
            return look.role
    if head(text) is not None:
        return "lspci.txt"
    return None


def _logged(text: str, message: str, stamp: str, seconds: float | None) -> str | None:
    """Return the role of a line of a log; None when it is none."""
    if not stamp:
        if _JOURNAL.match(text):
            return "dmesg.txt"
        return "dmesg.txt" if _KERNEL.match(message) and not re.match(_QEMU, message) else None
    if _XORG.match(message):
        return None
    for role in ("task.log", "qemu.log", "libvirt.log"):
        if seconds is None and _BY_ROLE[role].sure.search(re.sub(r"^[\w./-]{1,40}\[\d+\]: ", "", message)):
            return role
    if seconds is not None or "kernel:" in text or _DAY.match(text) or _KERNEL.match(message):
        return "dmesg.txt"
    return "dmesg.txt" if not text.lstrip().startswith("[") and _DAEMON.match(message) else None


def near(role: str, text: str) -> bool:
    """Tell whether a line belongs to a run of that role where it stands beside a sure line."""
    if role == "lspci.txt":
        return _LSPCI_NEAR.search(text) is not None or re.search(_CUT, text) is not None
    if role == "dmesg.txt":
        return re.search(_CUT, text) is not None
    if role == "lsmod.txt":
        return _ROW.match(text) is not None
    look = _BY_ROLE.get(role)
    return look is not None and look.near.search(text) is not None


def begins(text: str) -> bool:
    """Tell whether a line shows from its first sign on what it is."""
    if _MODULE.match(text) or _ROW.match(text) or head(text) is not None or _KERNEL.match(text):
        return True
    return any(look.sure.match(text) for look in _LOOKS)


def quote(text: str) -> str:
    """Return the marks of a quotation in front of a line."""
    found = _QUOTED.match(text)
    return found.group() if found else ""


def least(role: str) -> int:
    """Return how many sure lines make a run that nothing announces."""
    look = _BY_ROLE.get(role)
    return 1 if look is None else look.least

"""What network cards, PCI and USB devices and the other composed options may be configured with."""

from __future__ import annotations

import re

from pvekit.lab import formats
from pvekit.lab.errors import FormatInvalid
from pvekit.lab.params import choice, flag, integer, number, text
from pvekit.lab.propstring import Spec
from pvekit.lab.vm.drivespec import volume_or_path

NIC_MODELS = (
    "e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "e1000e", "i82551", "i82557b", "i82559er",
    "ne2k_isa", "ne2k_pci", "pcnet", "rtl8139", "virtio", "vmxnet3",
)  # fmt: skip
_PCI_ONE = r"([a-f0-9]{4}:)?[a-f0-9]{2}:[a-f0-9]{2}(\.[a-f0-9])?"
_HEX = text(pattern=r"0x[0-9a-fA-F]{4}")
_RANGES = r"\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*"
_MACHINE = (
    r"(pc|pc(-i440fx)?-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|q35|pc-q35-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?"
    r"|virt(?:-\d+(\.\d+)+)?(\+pve\d+)?)"
)

CPU_MODELS = frozenset((
    "486", "athlon", "Broadwell", "Broadwell-IBRS", "Broadwell-noTSX", "Broadwell-noTSX-IBRS", "Cascadelake-Server",
    "Cascadelake-Server-noTSX", "Cascadelake-Server-v2", "Cascadelake-Server-v4", "Cascadelake-Server-v5", "Conroe",
    "Cooperlake", "Cooperlake-v2", "core2duo", "coreduo", "EPYC", "EPYC-Genoa", "EPYC-Genoa-v2", "EPYC-IBPB",
    "EPYC-Milan", "EPYC-Milan-v2", "EPYC-Milan-v3", "EPYC-Rome", "EPYC-Rome-v2", "EPYC-Rome-v3", "EPYC-Rome-v4",
    "EPYC-Rome-v5", "EPYC-Turin", "EPYC-v3", "EPYC-v4", "EPYC-v5", "GraniteRapids", "GraniteRapids-v2", "Haswell",
    "Haswell-IBRS", "Haswell-noTSX", "Haswell-noTSX-IBRS", "host", "Icelake-Client", "Icelake-Client-noTSX",
    "Icelake-Server", "Icelake-Server-noTSX", "Icelake-Server-v3", "Icelake-Server-v4", "Icelake-Server-v5",
    "Icelake-Server-v6", "Icelake-Server-v7", "IvyBridge", "IvyBridge-IBRS", "KnightsMill", "kvm32", "kvm64", "max",
    "Nehalem", "Nehalem-IBRS", "Opteron_G1", "Opteron_G2", "Opteron_G3", "Opteron_G4", "Opteron_G5", "Penryn",
    "pentium", "pentium2", "pentium3", "phenom", "qemu32", "qemu64", "SandyBridge", "SandyBridge-IBRS",
    "SapphireRapids", "SapphireRapids-v2", "SapphireRapids-v3", "SierraForest", "SierraForest-v2", "Skylake-Client",
    "Skylake-Client-IBRS", "Skylake-Client-noTSX-IBRS", "Skylake-Client-v4", "Skylake-Server", "Skylake-Server-IBRS",
    "Skylake-Server-noTSX-IBRS", "Skylake-Server-v4", "Skylake-Server-v5", "Westmere", "Westmere-IBRS", "x86-64-v1",
    "x86-64-v2", "x86-64-v2-AES", "x86-64-v3", "x86-64-v4",
))  # fmt: skip


def _cpu_type(value: str) -> None:
    if value.startswith("custom-"):
        return
    if value not in CPU_MODELS:
        raise FormatInvalid(f"Built-in cputype '{value}' is not defined (missing 'custom-' prefix?)")


def cpu(name: str, value: str) -> None:
    """Accept a ``cpu`` value; PVE names an unknown model without the path."""
    from pvekit.lab.propstring import parse, split

    _cpu_type(split(CPU, value).get("cputype", "kvm64"))
    parse(CPU, value, name)


NET = Spec(
    {
        "model": text(choices=NIC_MODELS, required=True),
        "macaddr": text(check=formats.mac),
        "bridge": text(check=formats.bridge),
        "firewall": flag(),
        "host-tunnel": flag(),
        "link_down": flag(),
        "mtu": integer(1, 65520),
        "queues": integer(0, 64),
        "rate": number(0),
        "tag": integer(1, 4094),
        "trunks": text(pattern=_RANGES),
    },
    "model",
    {},
    NIC_MODELS,
)
HOSTPCI = Spec(
    {
        "host": text(pattern=rf"{_PCI_ONE}(;{_PCI_ONE})*"),
        "device-id": _HEX,
        "driver": choice("vfio", "keep"),
        "legacy-igd": flag(),
        "mapping": text(check=formats.config_id),
        "mdev": text(pattern=r"[^/\.:]+"),
        "pcie": flag(),
        "rombar": flag(),
        "romfile": text(pattern=r"[^,;]+"),
        "sub-device-id": _HEX,
        "sub-vendor-id": _HEX,
        "vendor-id": _HEX,
        "x-vga": flag(),
    },
    "host",
)
USB = Spec(
    {
        "host": text(pattern=r"(0x)?[0-9A-Fa-f]{4}:(0x)?[0-9A-Fa-f]{4}|\d+-\d+(\.\d+)*|[Ss][Pp][Ii][Cc][Ee]"),
        "mapping": text(check=formats.config_id),
        "usb3": flag(),
    },
    "host",
)
AGENT = Spec(
    {
        "enabled": flag().needed(),
        "freeze-fs": flag(),
        "fstrim_cloned_disks": flag(),
        "type": choice("virtio", "isa"),
    },
    "enabled",
    {"freeze-fs-on-backup": "freeze-fs", "guest-fsfreeze": "freeze-fs"},
)
AUDIO = Spec({"device": choice("ich9-intel-hda", "intel-hda", "AC97").needed(), "driver": choice("spice", "none")})
BOOT = Spec({"legacy": text(pattern=r"[acdn]{1,4}"), "order": text(pattern=r"[a-z0-9;]*")}, "legacy")
CICUSTOM = Spec({key: text(check=volume_or_path) for key in ("meta", "network", "user", "vendor")})
CPU = Spec(
    {
        "cputype": text(),
        "flags": text(pattern=r"[+-][a-zA-Z0-9\-_.]+(;[+-][a-zA-Z0-9\-_.]+)*"),
        "guest-phys-bits": integer(32, 64),
        "hidden": flag(),
        "hv-vendor-id": text(pattern=r"[a-zA-Z0-9]{1,12}"),
        "level": integer(),
        "phys-bits": text(pattern=r"[0-9]+|host"),
        "reported-model": text(),
    },
    "cputype",
)
IPCONFIG = Spec(
    {
        "gw": text(check=formats.ipv4),
        "gw6": text(check=formats.ipv6),
        "ip": text(check=formats.ipv4_config),
        "ip6": text(check=formats.ipv6_config),
    }
)
IVSHMEM = Spec({"name": text(pattern=r"[a-zA-Z0-9\-]+"), "size": integer(1, required=True)})
MACHINE = Spec(
    {
        "type": text(pattern=_MACHINE, longest=40),
        "aw-bits": number(32, 64),
        "enable-s3": flag(),
        "enable-s4": flag(),
        "viommu": choice("intel", "virtio"),
    },
    "type",
)
MEMORY = Spec({"current": integer(16, required=True)}, "current")
NUMA = Spec(
    {
        "cpus": text(pattern=_RANGES, required=True),
        "hostnodes": text(pattern=_RANGES),
        "memory": number(),
        "policy": choice("preferred", "bind", "interleave"),
    }
)
RNG = Spec(
    {
        "source": choice("/dev/urandom", "/dev/random", "/dev/hwrng").needed(),
        "max_bytes": integer(),
        "period": integer(),
    },
    "source",
)
SEV = Spec(
    {
        "type": choice("std", "es", "snp").needed(),
        **{key: flag() for key in ("allow-smt", "kernel-hashes", "no-debug", "no-key-sharing")},
    },
    "type",
)
SMBIOS = Spec(
    {
        "base64": flag(),
        "uuid": text(pattern=r"[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}"),
        **{key: text() for key in ("family", "manufacturer", "product", "serial", "sku", "version")},
    }
)
SPICE = Spec({"foldersharing": flag(), "videostreaming": choice("off", "all", "filter")})
TDX = Spec(
    {"type": text(required=True), "attestation": flag(), "vsock-cid": integer(2), "vsock-port": integer(0)}, "type"
)
VGA = Spec(
    {
        "type": choice(
            "cirrus", "qxl", "qxl2", "qxl3", "qxl4", "none", "serial0", "serial1", "serial2", "serial3",
            "std", "virtio", "virtio-gl", "vmware",
        ),
        "clipboard": choice("vnc"),
        "memory": integer(4, 512),
    },
    "type",
)  # fmt: skip
VIRTIOFS = Spec(
    {
        "dirid": text(check=formats.config_id, required=True),
        "cache": choice("auto", "always", "metadata", "never"),
        "direct-io": flag(),
        "expose-acl": flag(),
        "expose-xattr": flag(),
    },
    "dirid",
)
WATCHDOG = Spec(
    {
        "model": choice("i6300esb", "ib700"),
        "action": choice("reset", "shutdown", "poweroff", "pause", "debug", "none"),
    },
    "model",
)
SERIAL_PATTERN = r"(/dev/[^,]+|socket)"
BOOT_ORDER = re.compile(r"(?:^|,)order=([^,]*)")

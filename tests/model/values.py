"""Strategies for property values that PVE allows."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pvekit.model import properties as p
from pvekit.model.units import GIB, MIB

WORD = st.from_regex(r"[a-z][a-z0-9]{1,8}", fullmatch=True)
BOOL = st.booleans()
PERCENT_TEXT = st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=1, max_size=15)
SIZE = st.integers(1, 4096).map(lambda n: n * MIB) | st.integers(1, 4096).map(lambda n: n * GIB)
MAC = st.lists(st.integers(0, 255), min_size=6, max_size=6).map(
    lambda octets: ":".join(f"{n:02X}" for n in [octets[0] & 0xFE, *octets[1:]])
)
VOLUME = st.builds("{}:{}".format, WORD, st.sampled_from(["vm-100-disk-0", "100/vm-100-disk-0.qcow2", "20", "0"]))
IP4 = st.ip_addresses(v=4).map(str)
IP6 = st.ip_addresses(v=6).map(str)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return the strategy, or None."""
    return st.none() | strategy


def build(kind: type[Any], needed: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values of a property: every needed field, and any of the optional ones."""
    return st.builds(kind, **needed, **{name: maybe(strategy) for name, strategy in optional.items()})


DISK = {
    "media": st.just("disk"),
    "size": SIZE,
    "cache": st.sampled_from(["none", "writethrough", "writeback", "unsafe", "directsync"]),
    "aio": st.sampled_from(["native", "threads", "io_uring"]),
    "discard": st.sampled_from(["ignore", "on"]),
    "ssd": BOOL,
    "iothread": BOOL,
    "backup": BOOL,
    "replicate": BOOL,
    "serial": PERCENT_TEXT,
    "import_from": st.just("local:import/debian-13.qcow2"),
}

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "agent": build(p.Agent, {"enabled": BOOL}, {"freeze_fs": BOOL, "type": st.sampled_from(["virtio", "isa"])}),
    "boot": build(p.Boot, {"order": st.just(("scsi0", "ide2", "net0"))}, {})
    | build(p.Boot, {"legacy": st.sampled_from(["c", "cdn", "n"])}, {}),
    "cpu": build(
        p.Cpu,
        {"cputype": st.sampled_from(["host", "x86-64-v2-AES", "kvm64", "qemu64"])},
        {"flags": st.lists(st.sampled_from(["+aes", "-pcid", "+md-clear"]), min_size=1, unique=True).map(tuple)},
    ),
    "description": st.builds(p.Description, st.text(max_size=200)),
    "efidisk0": build(
        p.EfiDisk,
        {"volume": VOLUME},
        {"efitype": st.sampled_from(["2m", "4m"]), "pre_enrolled_keys": BOOL, "size": SIZE},
    ),
    "hostpci0": build(
        p.HostPci,
        {},
        {
            "pcie": BOOL,
            "rombar": BOOL,
            "x_vga": BOOL,
            "romfile": WORD,
            "host": st.sampled_from(["01:00.0", "0000:01:00"]),
        },
    ).filter(lambda value: str(value) != "")
    | build(p.HostPci, {"mapping": WORD}, {"pcie": BOOL, "x_vga": BOOL}),
    "ide2": build(p.Disk, {"volume": st.sampled_from(["none", "local:iso/seed.iso", "local:cloudinit"])}, {})
    | build(p.Disk, {"volume": st.just("local:iso/a.iso"), "media": st.just("cdrom")}, {"size": SIZE}),
    "ipconfig0": build(p.IpConfig, {"ip": st.just("dhcp") | IP4.map(lambda ip: f"{ip}/24")}, {"ip6": st.just("auto")})
    | build(p.IpConfig, {"ip": IP4.map("{}/24".format), "gw": IP4, "ip6": IP6.map("{}/64".format), "gw6": IP6}, {}),
    "machine": build(
        p.Machine,
        {"type": st.sampled_from(["q35", "pc", "pc-q35-9.2+pve1", "pc-i440fx-8.1"])},
        {"viommu": st.sampled_from(["intel", "virtio"])},
    ),
    "memory": build(p.Memory, {"current": st.integers(16, 10**6)}, {}),
    "net0": build(
        p.Net,
        {"model": st.sampled_from(["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"])},
        {
            "macaddr": MAC,
            "bridge": st.just("vmbr0"),
            "firewall": BOOL,
            "link_down": BOOL,
            "mtu": st.integers(1, 65520),
            "queues": st.integers(0, 64),
            "tag": st.integers(1, 4094),
            "trunks": st.just(("10", "20-30")),
            "rate": st.sampled_from(["10", "1.5"]),
        },
    ),
    "rng0": build(p.Rng, {"source": st.just("/dev/urandom")}, {"max_bytes": st.integers(1, 9999)}),
    "scsi1": build(p.Disk, {"volume": VOLUME}, DISK),
    "serial0": st.builds(p.Serial, st.sampled_from(["socket", "/dev/ttyS0"])),
    "smbios1": build(
        p.Smbios1,
        {"uuid": st.uuids().map(str)},
        {"serial": PERCENT_TEXT.filter(lambda text: "," not in text), "product": WORD, "sku": WORD},
    ),
    "sshkeys": st.builds(p.SshKeys, st.lists(PERCENT_TEXT.map(lambda text: f"ssh-rsa {text}|"), max_size=3).map(tuple)),
    "startup": build(p.Startup, {"order": st.integers(0, 99)}, {"up": st.integers(0, 99), "down": st.integers(0, 99)}),
    "tags": st.builds(lambda names: p.Tags.of(*names), st.lists(WORD, min_size=1, max_size=4)),
    "tpmstate0": build(p.TpmState, {"volume": VOLUME}, {"version": st.sampled_from(["v1.2", "v2.0"]), "size": SIZE}),
    "usb0": build(p.Usb, {"mapping": WORD}, {"usb3": BOOL}) | build(p.Usb, {"host": st.just("spice")}, {"usb3": BOOL}),
    "vga": build(
        p.Vga, {"type": st.sampled_from(["std", "serial0", "virtio", "none"])}, {"memory": st.integers(4, 512)}
    ),
}

"""Adopting: the entry describes the VM as it is, so nothing is left to change."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model.properties import covers
from pvekit.model.stack import CannotAdopt, Vm, load, overrides, to_yaml
from pvekit.model.stack.adopt import vm_name
from pvekit.model.stack.emit import flow
from pvekit.model.stack.text import read
from pvekit.model.units import format_pve_size
from tests.model.values import MAC, VALUES, WORD

KINDS = frozenset({"debian"})


def as_vm(entry: str) -> Vm:
    """Return the VM that an entry describes."""
    return load(f"pvekit: 1\nname: x\nhost: lab\nvms:\n{entry}", "s", KINDS).vms[0]


def desired(vm: Vm) -> dict[str, str]:
    """Return what a kind might want: everything the entry says, and settings of its own."""
    wanted = {
        "name": vm.name,
        "ostype": "l26",
        "scsihw": "virtio-scsi-single",
        "serial0": "socket",
        "rng0": "/dev/urandom",
    }
    wanted |= {"cores": str(vm.cores), "sockets": str(vm.sockets), "cpu": vm.cpu, "memory": str(vm.memory_mib)}
    wanted |= {"balloon": str(vm.balloon_mib or 0), "machine": vm.machine, "bios": vm.firmware}
    wanted |= {"agent": str(int(vm.agent)), "onboot": str(int(vm.start.auto)), "protection": str(int(vm.protection))}
    if vm.disks:
        wanted["boot"] = f"order={vm.disks[0].slot}"
    for nic in vm.nics:
        text = f"{nic.model}={nic.mac},bridge={nic.bridge},firewall={int(nic.firewall)}"
        wanted[nic.slot] = text + (f",tag={nic.vlan}" if nic.vlan else "") + (f",mtu={nic.mtu}" if nic.mtu else "")
    for key, value in vm.pve.items():
        wanted.pop(key, None)
        if value is not None:
            wanted[key] = value
    return wanted


NETS = VALUES["net0"].filter(lambda net: net.macaddr and not net.macaddr.startswith("02")).map(str) | st.just(
    "e1000=02:00:00:00:00:01"
)
DISKS = st.builds(
    "local-lvm:vm-100-disk-{},size={}{}".format,
    st.integers(0, 9),
    st.integers(1, 99).map(lambda n: format_pve_size(n << 30)),
    st.sampled_from(["", ",discard=on", ",ssd=1,backup=0", ",cache=writeback,iothread=1"]),
)
CONFIGS = st.fixed_dictionaries(
    {"memory": st.integers(16, 65536).map(str)},
    optional={
        "name": st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?(\.lan)?", fullmatch=True),
        "cores": st.integers(1, 64).map(str),
        "sockets": st.integers(1, 4).map(str),
        "cpu": VALUES["cpu"].map(str),
        "balloon": st.integers(0, 65536).map(str),
        "machine": VALUES["machine"].map(str),
        "bios": st.sampled_from(["seabios", "ovmf"]),
        "efidisk0": st.just("local-lvm:vm-100-disk-9,efitype=4m,pre-enrolled-keys=1,size=4M"),
        "tpmstate0": st.just("local-lvm:vm-100-disk-8,size=4M,version=v2.0"),
        "agent": VALUES["agent"].map(str),
        "scsi0": DISKS,
        "scsi5": DISKS,
        "virtio1": DISKS,
        "sata0": st.just("/dev/disk/by-id/ata-X,size=4T") | DISKS,
        "ide2": st.just("local:iso/debian.iso,media=cdrom,size=600M"),
        "boot": st.sampled_from(["order=virtio1;net0", "order=ide2;scsi0", "cdn", "order=scsi0"]),
        "net0": NETS,
        "net3": st.sampled_from(["virtio=02:00:00:00:00:02,bridge=vmbr1", "e1000=02:00:00:00:00:03"]),
        "ipconfig0": st.sampled_from(["ip=dhcp", "ip=10.0.0.9/24,gw=10.0.0.1", "ip=10.0.0.0/24", "ip6=auto"]),
        "onboot": st.sampled_from(["0", "1"]),
        "startup": VALUES["startup"].map(str),
        "tags": st.lists(WORD, max_size=3).map(";".join),
        "description": st.text(st.characters(codec="utf-8"), max_size=40),
        "ostype": st.sampled_from(["l26", "win11"]),
        "scsihw": st.just("virtio-scsi-pci"),
        "serial0": st.just("socket"),
        "protection": st.sampled_from(["0", "1"]),
        "ciuser": st.sampled_from(["ops", "Nobody!"]),
        "nameserver": st.sampled_from(["1.1.1.1 9.9.9.9", "dns.lan"]),
        "searchdomain": st.just("lan"),
    },
)


@settings(max_examples=150, deadline=None)
@given(CONFIGS, st.booleans())
def test_nothing_is_left_to_change(config: dict[str, str], running: bool) -> None:
    first = as_vm(to_yaml(100, config, kind="debian", running=running))
    kept = overrides(desired(first), config)
    entry = to_yaml(100, config, kind="debian", node="pve", pool="p", running=running, overrides=kept)
    vm = as_vm(entry)
    left = {key: covers(key, value, config.get(key)) for key, value in desired(vm).items()}
    assert {key: found for key, found in left.items() if found} == {}
    slots = {disk.slot for disk in vm.disks}
    assert {key for key in config if key.startswith(("scsi", "virtio")) and key != "scsihw"} <= slots
    for disk in vm.disks:
        assert f"size={format_pve_size(disk.size_bytes)}" in config[disk.slot]
    assert vm.state == ("running" if running else "stopped")
    assert (vm.vmid, vm.node, vm.pool) == (100, "pve", "p")
    assert vm.description == config.get("description", "").strip()


def test_an_entry_as_a_person_reads_it() -> None:
    config = {
        "name": "web",
        "cores": "2",
        "memory": "2048",
        "cpu": "host",
        "machine": "q35",
        "agent": "1",
        "scsi0": "local-lvm:vm-100-disk-0,discard=on,size=20G",
        "scsi1": "/dev/disk/by-id/ata-X,size=4T",
        "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=7",
        "ipconfig0": "ip=10.0.0.5/24,gw=10.0.0.1",
        "tags": "pvekit.home;web",
        "description": "The web\n\n<!-- pvekit {} -->",
        "onboot": "1",
        "startup": "order=1,up=30",
    }
    assert to_yaml(100, config, kind="debian", overrides={"serial0": None}) == (
        "  web:\n"
        "    kind: debian\n"
        "    vmid: 100\n"
        "    cores: 2\n"
        "    cpu: host\n"
        "    memory: 2GiB\n"
        "    machine: q35\n"
        "    disks:\n"
        "      - {size: 20GiB, storage: local-lvm, discard: true}\n"
        "    nics:\n"
        '      - {bridge: vmbr0, mac: "BC:24:11:00:00:01", vlan: 7, address: 10.0.0.5/24, gateway: 10.0.0.1}\n'
        "    start: {auto: true, order: 1, up: 30s}\n"
        "    tags: [web]\n"
        '    description: "The web"\n'
        "    pve: {serial0: null}\n"
        "    # scsi1 (/dev/disk/by-id/ata-X) is left alone: it is no volume of a storage\n"
    )


@pytest.mark.parametrize("config", [{"template": "1"}, {"arch": "aarch64"}, {"machine": "virt"}])
def test_what_cannot_be_adopted(config: dict[str, str]) -> None:
    with pytest.raises(CannotAdopt):
        to_yaml(100, config, kind="debian")


def test_names() -> None:
    assert vm_name(7, {"name": "Web.lan"}) == "web"
    assert vm_name(7, {"name": "-"}) == "vm-7"
    assert vm_name(7, {}) == "vm-7"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=12) | MAC,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(JSON)
def test_what_is_written_reads_back_everywhere(value: Any) -> None:
    text = f"x: {flow(value)}\n"
    assert yaml.safe_load(text) == {"x": value}
    assert read(text, "f").data == {"x": value}

"""Stack files that ``validate`` accepts: any field that a stack file knows, at any valid value."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

KINDS = frozenset({"debian", "ubuntu"})
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here"
NAMES = ("web", "db", "a", "vm-7", "x" * 63)
STORAGES = ("local", "local-lvm", "tank", "nvme.2")
BRIDGES = ("vmbr0", "vmbr1", "vnet7")
TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\x85\ufeff\ufffe\uffff"), max_size=40
)
MIB_SIZES = st.sampled_from(["256MiB", "1GiB", "1025MiB", "1.5GiB", "3GiB"])
SIZES = st.sampled_from(["4MiB", "1GiB", "1025MiB", "20GiB", "2TiB"])
TAGS = st.lists(st.sampled_from(["prod", "b_2", "x.y", "c+d", "0"]), max_size=3)
WORDS = st.lists(st.sampled_from(["jq", "htop", "g++", "python3.13"]), max_size=2, unique=True)
SECRETS = st.sampled_from(["env:TOKEN", "file:/run/secret", "cmd:pass show x"])
PVE: dict[str, list[Any]] = {
    "args": ["-device foo"],
    "balloon": [None],
    "boot": [None, "order=net0", "cdn"],
    "cpu": [None, "host,flags=+aes", "max"],
    "cpuunits": [200, None],
    "hotplug": ["network,disk", "0", None],
    "agent": ["1,fstrim_cloned_disks=1", "enabled=1", None],
    "machine": ["pc-q35-9.2", "q35,viommu=intel", "pc", None],
    "name": ["other", None],
    "net0": ["virtio,bridge=vmbr0", "e1000=BC:24:11:FF:00:01,bridge=vmbr1,rate=10,tag=7", None],
    "net9": ["virtio=BC:24:11:FF:00:02,bridge=vmbr0,link_down=1", None],
    "numa": [True, False],
    "ostype": ["win11", "other", None],
    "rng0": ["source=/dev/random,max_bytes=2048", None],
    "scsihw": ["lsi", "pvscsi", None],
    "serial0": [None],
    "smbios1": ["uuid=5e6b1b4c-5b0a-4d5a-9a55-6d0d2f1c6c57,serial=x", None],
    "tablet": [False, True],
    "vga": ["std,memory=32", "serial0", None],
    "watchdog": ["model=i6300esb,action=reset"],
}


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings that have any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def disks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return disks, each slot once, with what its bus can do."""
    slots = draw(st.permutations(["scsi0", "scsi1", "scsi30", "virtio0", "virtio15", "sata3", "ide0"]))
    found: list[dict[str, Any]] = []
    for slot in slots[: draw(st.integers(0, 3))]:
        bus = slot.rstrip("0123456789")
        disk = draw(
            some(
                storage=st.sampled_from(STORAGES),
                discard=st.booleans(),
                backup=st.booleans(),
                cache=st.sampled_from(["none", "writethrough", "writeback", "unsafe", "directsync"]),
                format=st.sampled_from(["raw", "qcow2"]),
                **({"iothread": st.booleans()} if bus in {"scsi", "virtio"} else {}),
                **({"ssd": st.booleans()} if bus != "virtio" else {}),
            )
        )
        disk |= {"size": draw(SIZES), "slot": slot}
        if draw(st.booleans()):
            disk["serial"] = f"S-{len(found)}"
        found.append(disk)
    return found


@st.composite
def nics(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """Return network cards; ``number`` keeps the addresses of several VMs apart."""
    found: list[dict[str, Any]] = []
    for index in range(draw(st.integers(0, 3))):
        nic = draw(
            some(
                bridge=st.sampled_from(BRIDGES),
                model=st.sampled_from(["virtio", "e1000", "vmxnet3"]),
                vlan=st.integers(1, 4094),
                mtu=st.sampled_from([1, 1500, 9000]),
                firewall=st.booleans(),
                address=st.sampled_from(["dhcp", "none"]),
                address6=st.sampled_from(["auto", "dhcp", "none"]),
            )
        )
        if draw(st.booleans()):
            nic["mac"] = f"BC:24:11:00:{number:02X}:{index:02x}"
        if draw(st.booleans()):
            nic |= {"address": f"10.{number}.{index}.5/24", "gateway": f"10.{number}.{index}.1"}
        if draw(st.booleans()):
            nic |= {"address6": f"fd00:{number}:{index}::5/64", "gateway6": "fe80::1"}
        if draw(st.booleans()):
            nic["slot"] = f"net{index * 3 + 1}"
        found.append(nic)
    return found


def fields() -> dict[str, st.SearchStrategy[Any]]:
    """Return the fields that a VM and ``defaults`` have in common, without disks and NICs."""
    return {
        "image": st.sampled_from(["debian", "cloud"]),
        "node": st.sampled_from(["auto", "pve", "pve2"]),
        "cores": st.integers(1, 16),
        "sockets": st.integers(1, 2),
        "cpu": st.sampled_from(["host", "x86-64-v3", "host,flags=+aes;-pcid,hidden=1"]),
        "memory": MIB_SIZES,
        "balloon": st.just("128MiB"),
        "machine": st.sampled_from(["q35", "i440fx"]),
        "tpm": st.booleans(),
        "agent": st.sampled_from([True, True, True, False]),
        "storage": st.sampled_from(STORAGES),
        "iso_storage": st.sampled_from(STORAGES),
        "image_storage": st.sampled_from(STORAGES),
        "bridge": st.sampled_from(BRIDGES),
        "user": st.sampled_from(["ops", "me"]),
        "ssh_keys": st.lists(st.just(KEY), max_size=2),
        "password": SECRETS,
        "user_data": st.just({"runcmd": [["echo", "<!-- é -->"]]}),
        "dns": some(servers=st.just(["9.9.9.9", "2620:fe::fe"]), search=st.just(["lan.example"])),
        "start": some(auto=st.booleans(), order=st.integers(0, 99), up=st.just("30s"), down=st.just("2m")),
        "ready": some(within=st.just("5m"), tcp=st.lists(st.integers(1, 65535), max_size=2)),
        "state": st.sampled_from(["running", "stopped"]),
        "tags": TAGS,
        "pool": st.sampled_from(["prod", "a/b/c"]),
        "protection": st.booleans(),
        "description": st.lists(TEXT, max_size=3).map("\n".join).filter(lambda text: "<!-- pvekit" not in text),
        "packages": WORDS,
        "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
        "updates": st.sampled_from(["security", "all", "none"]),
        "users": st.just([{"name": "anna", "sudo": True, "groups": ["docker"]}]) | st.just([]),
        "ansible": some(
            playbooks=st.just(["site.yml"]),
            vars=st.dictionaries(
                st.sampled_from(["a", "b", "c"]),
                st.one_of(
                    st.integers(), TEXT.map("text {}".format), SECRETS.map(lambda ref: [{"deep": {"secret": ref}}])
                ),
            ),
        ),
        "options": st.just({}),
        "pve": st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in PVE.items()}),
    }


@st.composite
def vms(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Return one VM."""
    vm = draw(some(**fields()))
    if draw(st.booleans()):
        vm["disks"] = draw(disks())
    if draw(st.booleans()):
        vm["nics"] = draw(nics(number))
    if draw(st.booleans()):
        vm |= {"firmware": "ovmf", **draw(some(secure_boot=st.booleans()))}
    if draw(st.booleans()):
        vm["vmid"] = 200 + number
    return {"kind": draw(st.sampled_from(sorted(KINDS))), **vm}


@st.composite
def stacks(draw: st.DrawFn, named: tuple[str, ...] = NAMES) -> str:
    """Return the text of a stack file with up to three VMs."""
    names = draw(st.lists(st.sampled_from(named), min_size=1, max_size=min(3, len(named)), unique=True))
    frame = {
        "pvekit": 1,
        "name": draw(st.sampled_from(["s", "home-lab", "x" * 31])),
        "host": "lab",
        "defaults": draw(some(**fields())),
        "images": {
            "debian": {"build": "debian-13"},
            "cloud": {"url": "https://cloud.example/noble.img", "sha256": "ab" * 32},
        },
        "vms": {name: draw(vms(number)) for number, name in enumerate(names)},
    }
    return yaml.safe_dump(frame, sort_keys=False, allow_unicode=True)

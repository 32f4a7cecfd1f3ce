"""Clusters of any shape: with the stack's VMs in any state, and with what people and time did to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts, HostFacts, NodeFacts, StorageFacts, VmFacts, VmRow
from pvekit.model.mark import Mark, Stage
from pvekit.model.missing import Missing
from tests.provision.simulated import changed, stored
from tests.strategies.stacks import BRIDGES, STORAGES

NODES = ("pve", "pve2", "pve3")
KEYS = (
    *("agent", "balloon", "bios", "boot", "cores", "cpu", "description", "efidisk0", "hotplug", "ide2", "machine"),
    *("memory", "name", "net0", "net1", "scsi0", "scsi1", "sockets", "startup", "tags", "tpmstate0", "virtio0", "vga"),
)
VALUES = (
    *("0", "1", "", "=", ",", "x=y", "none,media=cdrom", "local:iso/a.iso,media=cdrom", "order=scsi0;ide2;net0", "ü"),
    *("virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=7,rate=1", "e1000", "tank:vm-1-disk-0,size=1G", "local:1", "/dev/sda"),
    *("local-lvm:vm-1-disk-9,size=9T,ssd=1", "pc-q35-9.2+pve1", "ovmf", "order=1,up=2", "host,flags=+aes", "a;b;A"),
    *("tank:vm-1-disk-1,size=banana", "tank:x,size=1025K", "cdn", "network", "std,memory=x"),
)
CONFIGS = st.dictionaries(st.sampled_from(KEYS), st.none() | st.sampled_from(VALUES) | st.text(max_size=8), max_size=4)


def nodes() -> st.SearchStrategy[dict[str, NodeFacts]]:
    return st.lists(
        st.builds(
            NodeFacts,
            name=st.sampled_from(NODES),
            online=st.booleans(),
            threads=st.sampled_from([0, 1, 8, 64]),
            memory=st.sampled_from([0, 1 << 30, 64 << 30]),
            memory_used=st.sampled_from([0, 1 << 29]),
        ),
        max_size=3,
    ).map(lambda found: {node.name: node for node in found})


STORAGE = st.builds(
    StorageFacts,
    name=st.sampled_from(STORAGES),
    node=st.sampled_from(NODES),
    active=st.booleans(),
    shared=st.booleans(),
    content=st.frozensets(st.sampled_from(["images", "iso", "import"])),
    size=st.sampled_from([0, 1 << 30, 1 << 40]),
    used=st.sampled_from([0, 1 << 20]),
)
ROW = st.builds(
    VmRow,
    vmid=st.integers(100, 210),
    node=st.sampled_from(NODES),
    name=st.sampled_from(["", "pihole"]),
    running=st.booleans(),
    tags=st.just(frozenset()),
    lock=st.sampled_from(["", "create", "backup"]),
    memory=st.sampled_from([0, 1 << 30]),
    threads=st.integers(0, 4),
)


KIND = Facts(
    nodes={name: NodeFacts(name, online=True, threads=256, memory=1 << 42, memory_used=0) for name in NODES},
    storages=tuple(
        StorageFacts(name, node, True, False, frozenset({"images", "iso", "import"}), 1 << 50, 0)
        for name in STORAGES
        for node in NODES
    ),
    rows=(),
    own={},
)
KIND_HOST = HostFacts((9, 2, 11), Missing("/access/permissions", "403"), {})


@st.composite
def existing(draw: st.DrawFn, vm: DesiredVm, stack: str, *, kind: bool) -> VmFacts:
    """Return a VM that pvekit made, and what became of it; a kind world neither locks it nor takes its disks."""
    found = stored(vm, stack, stage=draw(st.sampled_from(Stage)), node=draw(st.sampled_from(NODES)))
    odd = {key: value for key, value in draw(CONFIGS).items() if not kind or key not in {d.slot for d in vm.disks}}
    found = changed(found, odd)
    other = Mark(stack, vm.name, "?", Stage.READY, seed="local:iso/x.iso")
    row = replace(
        found.row,
        running=draw(st.booleans()),
        lock="" if kind else draw(st.sampled_from(["", "backup", "create", "suspended"])),
        pool=draw(st.sampled_from(["", "prod"])),
    )
    return replace(
        found,
        row=row,
        mark=draw(st.sampled_from([found.mark, found.mark, None, other])),
        pending={key: value for key, value in draw(CONFIGS).items() if value is not None},
        removed=draw(st.frozensets(st.sampled_from(KEYS if not kind else KEYS[:6]), max_size=2)),
    )


@st.composite
def clusters(draw: st.DrawFn, vms: Sequence[DesiredVm], stack: str) -> tuple[Facts, HostFacts]:
    """Return a cluster in which any of the VMs exists, and what a plan with changes reads besides."""
    kind = draw(st.booleans())
    own = {vm.name: draw(existing(vm, stack, kind=kind)) for vm in vms if draw(st.booleans())}
    others: list[VmRow] = draw(st.lists(ROW, max_size=0 if kind else 3))
    facts = Facts(
        nodes=KIND.nodes if kind else draw(nodes()),
        storages=KIND.storages if kind else tuple(draw(st.lists(STORAGE, max_size=8))),
        rows=(*(found.row for found in own.values()), *others),
        own=own,
        strays={row.name: row for row in others if row.name and row.vmid % 2},
    )
    return facts, KIND_HOST if kind else draw(hosts())


def hosts() -> st.SearchStrategy[HostFacts]:
    missing = st.just(Missing("somewhere", "403"))
    paths = st.sampled_from(["/", "/vms", "/vms/200", "/storage", "/storage/local", "/nodes", "/sdn", "/pool/prod"])
    held = st.dictionaries(
        st.sampled_from(["VM.Allocate", "VM.Config.Options", "Datastore.Audit", "SDN.Use", "Sys.Modify"]), st.booleans()
    )
    return st.builds(
        HostFacts,
        version=st.sampled_from([(8, 3, 0), (8, 4, 1), (9, 2, 11)]),
        permissions=missing | st.dictionaries(paths, held),
        bridges=st.dictionaries(st.sampled_from(NODES), missing | st.frozensets(st.sampled_from(BRIDGES))),
    )

"""The embedded node as one object: what a request's handler works with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pvekit.lab import router
from pvekit.lab.access.accounts import Accounts
from pvekit.lab.access.tickets import Tickets
from pvekit.lab.doors import Disks, Machines
from pvekit.lab.hollow import HollowMachines
from pvekit.lab.settings import Settings
from pvekit.lab.storage.storages import Storages
from pvekit.lab.store import Store
from pvekit.lab.tasks import Tasks
from pvekit.lab.vm.consoles import Consoles
from pvekit.lab.vm.vms import Vms


class Lab:
    """State, accounts, tasks, storages and VMs of one embedded node; it keeps no connection and no thread itself."""

    def __init__(self, settings: Settings, machines: Machines, disks: Disks) -> None:
        """Load everything from the state folder; tasks that were running when it was left are ended as failures."""
        self.settings = settings
        self.machines = machines
        self.disks = disks
        self.accounts = Accounts(settings.state / "access")
        self.tickets = Tickets(settings.state / "authkey")
        self.consoles = Consoles()
        self.vms = Vms(Store(settings.state / "vms"))
        claimed = settings.hardware.storages if settings.hardware is not None else None
        self.storages = Storages(Store(settings.state / "storages"), settings.state, disks, claimed)
        self.cluster = Store(settings.state / "cluster")
        self.tasks = Tasks(settings.state / "tasks", settings.delays)
        self.hollow = isinstance(machines, HollowMachines)
        """Whether VMs only claim to run."""
        self.fingerprint = ""
        """SHA-256 of the certificate, once the server has one."""
        self._exclusive = threading.RLock()
        router.load()
        self.tasks.recover(self)
        self._drop_half_made()

    def bridges(self, node: str) -> set[str]:
        """Return the names of all bridges and virtual networks that a card may be attached to."""
        from pvekit.lab.node.network import DEFAULT

        interfaces = dict(self.cluster.get(f"network-{node}") or DEFAULT)
        vnets = set(self.cluster.get("sdn-vnets") or {})
        return vnets | {name for name, fields in interfaces.items() if fields["type"] in {"bridge", "OVSBridge"}}

    def pool_of_vm(self, vmid: str) -> str:
        """Return the pool that the VM is in, empty for none."""
        return self._pool_with("vms", vmid)

    def pool_of_storage(self, name: str) -> str:
        """Return the pool that the storage is in, empty for none."""
        return self._pool_with("storage", name)

    def _pool_with(self, kind: str, member: str) -> str:
        pools = self.cluster.get("pools") or {}
        return next((name for name, pool in pools.items() if member in pool.get(kind, ())), "")

    def _drop_half_made(self) -> None:
        """Forget VMs whose creation was cut off before its task could write down how to undo it."""
        for vm in self.vms.all():
            if vm.lock in {"create", "clone"}:
                for volume in self.storages.images_of(vm.vmid):
                    self.storages.free(volume)
                self.vms.forget(vm.vmid)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the node's own lock, for what must not happen twice at once (claiming a VMID or a volume name)."""
        with self._exclusive:
            yield

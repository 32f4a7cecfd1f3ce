"""The VMs on disk: one document each, never changed in place."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pvekit.lab.errors import broken, no_such_vm
from pvekit.lab.store import Store


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A saved configuration."""

    config: Mapping[str, str]
    time: int
    description: str = ""
    parent: str = ""
    vmstate: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Vm:
    """One VM: the configuration in force, what waits for the next start, and its snapshots.

    Two of them are equal only if they are the same, so that what is worked out from one can be remembered with it.
    """

    vmid: int
    node: str
    config: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    deletions: tuple[str, ...] = ()
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    parent: str = ""
    cloudinit: Mapping[str, str] = field(default_factory=dict)
    """The cloud-init keys as they were when the drive was last made."""

    @property
    def name(self) -> str:
        """Return the name, as listings show it."""
        return self.config.get("name", f"VM {self.vmid}")

    @property
    def lock(self) -> str:
        """Return the lock, empty for none."""
        return self.config.get("lock", "")

    @property
    def template(self) -> bool:
        """Return whether it is a template."""
        return self.config.get("template") == "1"

    @property
    def effective(self) -> dict[str, str]:
        """Return the configuration with everything pending applied."""
        merged = {**self.config, **self.pending}
        return {key: value for key, value in merged.items() if key not in self.deletions}

    @property
    def digest(self) -> str:
        """Return the SHA-1 over all of it, as PVE's ``digest``."""
        lines = [f"{key}: {value}\n" for key, value in sorted(self.config.items())]
        if self.pending or self.deletions:
            lines.append(f"[PENDING]\ndelete: {','.join(sorted(self.deletions))}\n")
            lines += [f"{key}: {value}\n" for key, value in sorted(self.pending.items())]
        for name, snapshot in sorted(self.snapshots.items()):
            lines.append(f"[{name}]\ndescription: {snapshot.description}\nsnaptime: {snapshot.time}\n")
            lines += [f"{key}: {value}\n" for key, value in sorted(snapshot.config.items())]
        return hashlib.sha1("".join(lines).encode(), usedforsecurity=False).hexdigest()

    def demand_unlocked(self) -> None:
        """Raise the 500 if the VM is locked."""
        if self.lock:
            raise broken(f"VM is locked ({self.lock})")

    def demand_digest(self, digest: str) -> None:
        """Raise the 500 if a digest is given and is not this one."""
        if digest and digest != self.digest:
            raise broken("checksum mismatch (file change by other user?)")

    def with_config(self, **changes: str | None) -> Vm:
        """Return a copy with keys set, or dropped where the value is None."""
        config = {key: value for key, value in {**self.config, **changes}.items() if value is not None}
        return replace(self, config=config)


class Vms:
    """Reads and writes them; one lock per VM for read-change-write."""

    def __init__(self, store: Store) -> None:
        """Load all of them."""
        self._store = store
        self._vms = {int(key): _load(document) for key, document in store.items()}
        self._locks: defaultdict[int, threading.RLock] = defaultdict(threading.RLock)
        self._guard = threading.Lock()

    def all(self) -> list[Vm]:
        """Return all VMs in order of their ids."""
        return [vm for _vmid, vm in sorted(self._vms.copy().items())]

    def find(self, vmid: int) -> Vm | None:
        """Return the VM, None if there is none."""
        return self._vms.get(vmid)

    def get(self, vmid: int, node: str = "") -> Vm:
        """Return the VM; Refused (500) if there is none."""
        vm = self._vms.get(vmid)
        if vm is None or (node and vm.node != node):
            raise no_such_vm(vmid, node)
        return vm

    def __contains__(self, vmid: int) -> bool:
        return vmid in self._vms

    @contextmanager
    def locked(self, vmid: int) -> Iterator[None]:
        """Hold the VM's lock."""
        with self._guard:
            lock = self._locks[vmid]
        with lock:
            yield

    def save(self, vm: Vm) -> Vm:
        """Write the VM; call it with its lock held."""
        self._store.put(str(vm.vmid), asdict(vm))
        self._vms[vm.vmid] = vm
        return vm

    def forget(self, vmid: int) -> None:
        """Delete the VM's configuration."""
        with self.locked(vmid):
            self._store.remove(str(vmid))
            self._vms.pop(vmid, None)


def _load(document: Mapping[str, Any]) -> Vm:
    snapshots = {name: Snapshot(**snapshot) for name, snapshot in document["snapshots"].items()}
    return Vm(**{**document, "deletions": tuple(document["deletions"]), "snapshots": snapshots})

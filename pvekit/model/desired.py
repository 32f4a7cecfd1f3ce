"""How a VM should be, in PVE's own terms. Made by ``guests``, compared and carried out by ``provision``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pvekit.model.cloudinit import Seed, SeedNic, SeedUser, seed
from pvekit.model.mark import Stage
from pvekit.model.stack.home import PoolDisk, Windows, WindowsPatience
from pvekit.model.stack.llama import LlamaModel
from pvekit.model.stack.secret import SecretRef
from pvekit.model.stack.values import Vm

SEED_SLOT = "ide2"
FIRST_DISPLAY = ",x-vga=1"
"""The end of a card's value that makes it the VM's first display."""
SETUP_SLOT, ANSWER_SLOT = "sata0", "sata1"
"""CD drives: of a cloud-init seed; of a setup CD and the answers to its questions (SATA, which Windows can read)."""


@dataclass(frozen=True, slots=True)
class DesiredDisk:
    """One disk. ``image`` names the stack's image that it is made from (None: empty)."""

    slot: str
    storage: str
    size_bytes: int
    image: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None


@dataclass(frozen=True, slots=True)
class DesiredSeed:
    """What the first boot is told. The password is a reference; it is resolved only when the seed is written."""

    hostname: str
    instance_id: str
    user: str
    ssh_keys: tuple[str, ...]
    nics: tuple[SeedNic, ...]
    password: SecretRef | None = None
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    user_data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return a digest of all but the keys and the instance id: what only the first boot takes in."""
        fixed = replace(self, ssh_keys=(), instance_id="")
        return hashlib.sha256(repr(fixed).encode()).hexdigest()[:12]

    def with_keys(self, keys: tuple[str, ...]) -> DesiredSeed:
        """Return the seed with these public keys for its user, each once."""
        return replace(self, ssh_keys=tuple(dict.fromkeys(keys)))

    def render(self, password: str = "") -> Seed:
        """Return the three documents. ``password`` is in clear (empty: the user has none)."""
        return seed(
            hostname=self.hostname,
            instance_id=self.instance_id,
            user=SeedUser(self.user, self.ssh_keys, password=password),
            nics=self.nics,
            dns=self.dns,
            search=self.search,
            extra=self.user_data,
        )


@dataclass(frozen=True, slots=True)
class DesiredInstall:
    """A system that is installed from its maker's CD, with an answer CD of ours beside it.

    ``iso`` names the stack's image of the setup CD, ``wanted`` is the VM as the stack file says it (accounts,
    language, edition); the answers are made of it when the answer CD is written.
    """

    iso: str
    wanted: Vm

    @property
    def windows(self) -> Windows:
        """Return the Windows part of what is wanted."""
        assert self.wanted.windows is not None  # noqa: S101 - made for Windows VMs only
        return self.wanted.windows

    @property
    def digest(self) -> str:
        """Return a digest of what only the installation takes in: not the keys, size or place of the VM."""
        vm = self.wanted
        fixed = (vm.name, vm.user, vm.password, vm.timezone, replace(self.windows, patience=WindowsPatience()))
        return hashlib.sha256(repr(fixed).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Provisioning:
    """What Ansible does to the guest: playbooks in order (paths), variables, and the digest of both.

    ``secrets`` are the variables that hold secret references at any depth; they are resolved when the playbook runs.
    ``hosts`` are VMs of the stack whose addresses the playbooks need: they are provisioned before.
    ``promises`` are what a reader should know before the playbooks run. ``model`` is a language model that has to be
    found or made on this machine before them.
    """

    playbooks: tuple[str, ...]
    variables: Mapping[str, Any]
    secrets: Mapping[str, Any]
    digest: str
    hosts: tuple[str, ...] = ()
    promises: tuple[str, ...] = ()
    model: LlamaModel | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the guest, in seconds."""

    agent: float = 600.0
    cloud_init: float = 900.0
    ssh: float = 180.0


@dataclass(frozen=True, slots=True)
class DesiredVm:
    """How one VM should be.

    ``config`` holds the PVE keys that are compared on every plan, ``create_only`` those that are only sent when their
    volume is made (``efidisk0``, ``tpmstate0``, whose values PVE rewrites). Keys in ``left`` stay as PVE has them.
    ``macs`` are the NICs' addresses in order, ``static`` the first NIC's static address without its prefix length
    (empty with DHCP). ``notes`` is what a reader should know about where the VM is. At most one of ``seed`` and
    ``install`` is there. ``raw_disks`` are disks of the node that the VM gets whole. ``root_keys`` are PVE's keys that
    only root may set (huge pages, affinity): they are set on the node, and here only counted.
    """

    name: str
    kind: str
    node: str
    vmid: int | None
    config: Mapping[str, str]
    disks: tuple[DesiredDisk, ...]
    create_only: Mapping[str, str]
    iso_storage: str
    image_storage: str
    running: bool
    seed: DesiredSeed | None
    user: str
    macs: tuple[str, ...]
    static: str
    description: str
    tags: tuple[str, ...]
    pool: str
    provisioning: Provisioning
    patience: Patience = Patience()
    ready_ports: tuple[int, ...] = ()
    left: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    install: DesiredInstall | None = None
    raw_disks: tuple[PoolDisk, ...] = ()
    root_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_boot(self) -> str:
        """Return the digest of what only the first boot takes in; empty for a VM that is told nothing on it."""
        if self.install is not None:
            return self.install.digest
        return self.seed.digest if self.seed is not None else ""

    def at(self, stage: Stage | None) -> DesiredVm:
        """Return how the VM should be while it has come so far (None: it does not exist yet).

        Until a system is installed, its setup CD comes second in the boot order: an empty disk falls through to it. And
        no card is its first display, so that PVE has a console, of which pictures can be taken.
        """
        if self.install is None or stage not in (None, Stage.CREATED):
            return self
        return replace(self, config={**self.config, "boot": f"{self.boot};{SETUP_SLOT}", **self._secondary})

    @property
    def _secondary(self) -> dict[str, str]:
        """Return the cards that are the first display, as they are until a system is installed."""
        return {key: value.replace(FIRST_DISPLAY, "") for key, value in self.first_displays.items()}

    @property
    def first_displays(self) -> dict[str, str]:
        """Return the cards that are the VM's first display, by key."""
        return {
            key: value
            for key, value in self.config.items()
            if key.startswith("hostpci") and value.endswith(FIRST_DISPLAY)
        }

    @property
    def seed_slot(self) -> str:
        """Return the CD drive of the seed or the answer CD."""
        return SEED_SLOT if self.install is None else ANSWER_SLOT

    @property
    def memory_mib(self) -> int:
        """Return the memory in MiB."""
        return int(self.config["memory"])

    @property
    def threads(self) -> int:
        """Return the number of virtual CPUs."""
        return int(self.config.get("cores", "1")) * int(self.config.get("sockets", "1"))

    @property
    def boot(self) -> str:
        """Return the boot order, which has to be written whenever a CD is detached."""
        order = f"order={self.disks[0].slot}" if self.disks else "order="
        return self.config.get("boot", order)


def mac_for(stack: str, vm: str, index: int) -> str:
    """Return a MAC address in Proxmox's own range (BC:24:11), always the same for the same NIC.

    PVE would draw one at random; the seed has to name it before the VM exists.
    """
    digest = hashlib.sha256(f"{stack}/{vm}/{index}".encode()).digest()
    return "BC:24:11:" + ":".join(f"{byte:02X}" for byte in digest[:3])

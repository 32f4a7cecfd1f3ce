"""What all verbs share: the door to PVE, the desired VMs, and what was learned about each VM on the way."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pvekit.adapters import pve as api
from pvekit.adapters.sshkeys import HostKey, parse_host_key
from pvekit.engine import Context
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import Interrupted, NotFound, ServerBusy, TaskFailed
from pvekit.model.event import Emit
from pvekit.model.facts import Facts, VmFacts, VmRow
from pvekit.model.mark import Mark, Stage, stack_tag, strip, write
from pvekit.model.media import WindowsImage
from pvekit.model.stack.llama import LlamaModel
from pvekit.model.task import Ending, TaskResult
from pvekit.provision.gpumaps import CardWork

if TYPE_CHECKING:
    from pvekit.provision.rootstep.apply import Root

_LOCK_TRIES = 5
_CREATING = frozenset({"create", "clone"})
_LOOKS = 3
"""So many times a VM is looked at before a lock without a task counts as left over."""
_ABORT_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """An image whose bytes are known: its content-addressed file name and where they come from.

    One of ``url``, ``path`` and ``volid`` (on the server already) is set. ``virtual_size`` is in bytes, None when it
    is not known beforehand. ``content`` is what the storage calls it: import for disks, iso for CDs.
    """

    filename: str
    algorithm: str
    checksum: str
    url: str = ""
    path: Path | None = None
    virtual_size: int | None = None
    volid: str = ""
    content: str = "import"


@dataclass(frozen=True, slots=True)
class SetupChoice:
    """What a setup CD installs: the image, the language Setup itself speaks, and whether the name alone tells it."""

    image: WindowsImage
    setup_language: str
    unique: bool


class Media(Protocol):
    """Finds and reads setup CDs, driver CDs and installers on this machine."""

    def choice(self, vm: DesiredVm, log: Callable[[str], None]) -> SetupChoice:
        """Return what is installed from the VM's setup CD. Raises ImageInvalid."""

    def drivers(self, name: str | None, release: int, log: Callable[[str], None]) -> dict[str, bytes]:
        """Return drivers and guest tools by path. Raises ImageInvalid, HostUnreachable."""

    def openssh(self, name: str | None, log: Callable[[str], None]) -> bytes:
        """Return the installer. Raises ImageInvalid, HostUnreachable."""


class Images(Protocol):
    """Finds the bytes of an image of the stack: reads the lock file, hashes a file, builds it."""

    def __call__(self, name: str, log: Callable[[str], None]) -> ResolvedImage:
        """Return the image. Raises ImageInvalid."""


class Models(Protocol):
    """Finds or makes the file of a language model on this machine."""

    def __call__(self, model: LlamaModel, log: Callable[[str], None]) -> Mapping[str, Any]:
        """Return ``{file, sha256, size}``. Raises PvekitError."""


@dataclass(slots=True)
class Live:
    """What is known about one VM while the plan is carried out. Its steps follow each other, so no lock is needed."""

    vmid: int
    node: str
    mark: Mark
    host_key: HostKey | None = None
    address: str = ""
    seed: str = ""


@dataclass(slots=True)
class Job:
    """One run. ``secret`` resolves a reference to its text; ``playbook`` finds a playbook by its name in the stack.

    ``screens`` is the folder for pictures of consoles, taken when a wait ends in vain. ``root`` does the plan's root
    actions, ``gpuhost`` makes nodes ready for giving cards to VMs; None when there are none. ``gpus`` is what is done
    about resource mappings, and what guests are looked into for.
    """

    stack: str
    pve: api.Pve
    poller: api.TaskPoller
    vms: Mapping[str, DesiredVm]
    facts: Facts
    images: Images
    media: Media
    secret: Callable[[Any], str]
    playbook: Callable[[str], Path]
    key_path: Path
    public_key: str
    known_hosts: Path
    screens: Path
    emit: Emit
    stop: threading.Event = field(default_factory=threading.Event)
    files: threading.Lock = field(default_factory=threading.Lock)
    """Held while a file of the whole stack is written."""
    live: dict[str, Live] = field(default_factory=dict)
    volumes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    seeds: dict[str, str] = field(default_factory=dict)
    root: Root | None = None
    gpus: CardWork = field(default_factory=CardWork)
    gpuhost: Callable[[Job, str, Context], None] | None = None
    models: Models | None = None

    def __post_init__(self) -> None:
        """Start from what the plan saw."""
        for name, own in self.facts.own.items():
            mark = own.mark or Mark(self.stack, name, self.vms[name].kind if name in self.vms else "", Stage.READY)
            key = parse_host_key(mark.host_key) if mark.host_key else None
            self.live[name] = Live(own.row.vmid, own.row.node, mark, host_key=key, seed=mark.seed)

    def where(self, name: str) -> str:
        """Return a VM as messages name it."""
        live = self.live.get(name)
        return f"{name} (VMID {live.vmid})" if live else name

    def read(self, name: str) -> VmFacts:
        """Read one VM again. Raises NotFound when it is gone."""
        live = self.live[name]
        found = api.pending(self.pve, live.node, live.vmid)
        row = VmRow(live.vmid, live.node, name, running=True, tags=frozenset(), lock="", memory=0, threads=0)
        return VmFacts(row, found.current, found.pending, found.delete, found.digest, live.mark)

    def remember(self, name: str, mark: Mark, **changes: str) -> None:
        """Write the mark into the description, together with other changes, with the digest of a fresh read."""
        live = self.live[name]

        def put() -> None:
            now = api.pending(self.pve, live.node, live.vmid)
            text = write(strip(now.current.get("description", "")), mark)
            api.set_config(self.pve, live.node, live.vmid, {"description": text, **changes}, digest=now.digest)

        def done() -> bool:
            now = api.pending(self.pve, live.node, live.vmid)
            return write("", mark) in now.current.get("description", "")

        api.settle(put, done, sleep=self.sleep)
        live.mark = mark

    def task(
        self,
        name: str,
        context: Context,
        begin: Callable[[], str],
        took_effect: Callable[[], bool],
        *,
        abort: bool = False,
    ) -> TaskResult | None:
        """Begin a task and wait for its end. None when its answer was lost but a look showed that it took effect.

        A task that did not get a lock did nothing, and is begun again once ``took_effect`` has confirmed that.
        With ``abort`` the task is stopped when the person presses Ctrl-C; else it is waited for. Raises TaskFailed.
        """
        for attempt in range(1, _LOCK_TRIES + 1):
            upid = api.settle(begin, took_effect, sleep=self.sleep)
            if not upid:
                return None
            result = self._wait(upid, context, abort=abort)
            if result.ending is Ending.WARNINGS:
                context.log(f"ended with warnings: {result.tail(3)}")
            if result.ok or took_effect():
                return result
            if not api.lock_timeout(result) or attempt == _LOCK_TRIES:
                raise TaskFailed(
                    f"{result.exitstatus}\n{result.tail()}".strip(),
                    where=f"{self.where(name)}: {api.parse_upid(upid).type}",
                    hint=f"The whole log is on the node under {upid}",
                )
            context.log("did not get the lock; trying again")
            context.sleep(min(10.0, 0.5 * 2**attempt))
        raise ServerBusy("no try left", status=0, where=self.where(name))

    def _wait(self, upid: str, context: Context, *, abort: bool) -> TaskResult:
        if not abort:
            return self.poller.wait(upid, context.log)
        told = 0
        while True:
            begin, lines = time.monotonic(), itertools.count()

            def tell(line: str, lines: Iterator[int] = lines) -> None:
                nonlocal told
                # Every wait begins with the first line again.
                if next(lines) >= told:
                    told += 1
                    context.log(line)

            try:
                return self.poller.wait(upid, tell, timeout=_ABORT_PAUSE)
            except TaskFailed:
                if time.monotonic() - begin < _ABORT_PAUSE:
                    raise
            if context.cancelled():
                self.poller.abort(upid)
                result = self.poller.wait(upid)
                if result.ok:
                    return result
                raise Interrupted("stopped on request", where=upid)

    def owner(self, node: str, vmid: int) -> str:
        """Return the tag of this stack that a VMID carries: empty when it carries none, or when there is no such VM.

        While a VM is being created its configuration says nothing yet, so this waits for the task that makes it. A
        lock that no task holds was left over when a node died: such a VM is nobody's.
        """
        for look in itertools.count(1):
            try:
                config = api.pending(self.pve, node, vmid).current
            except NotFound:
                return ""
            if config.get("lock", "") not in _CREATING:
                break
            if look >= _LOOKS and not api.node_tasks(self.pve, node, vmid=vmid, running=True):
                break
            self.sleep(min(2.0, 0.1 * 1.5**look))
        tags = config.get("tags", "").replace(",", ";").split(";")
        return next((tag for tag in tags if tag.startswith(f"{stack_tag(self.stack)}.")), "")

    def sleep(self, seconds: float) -> None:
        """Sleep; raises Interrupted as soon as the run is stopped."""
        if self.stop.wait(seconds):
            raise Interrupted("stopped on request")

"""Setup CDs, driver CDs and installers of a stack: found, verified and read on this machine, each once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pvekit.adapters import images as files
from pvekit.adapters import media
from pvekit.adapters.download import fetch
from pvekit.adapters.nodessh import Nodes
from pvekit.model.catalogue import CATALOGUE
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import ImageInvalid
from pvekit.model.media import WindowsMedia, choose
from pvekit.model.plan import Plan, Verb
from pvekit.model.stack import Download, Image, LocalFile, Stack, Volume
from pvekit.provision.apply.job import SetupChoice

_SUM_SECONDS = 1800.0
Log = Callable[[str], None]


class StackMedia:
    """The media of one stack. Downloads are kept in the cache under their checksum."""

    def __init__(self, stack: Stack) -> None:
        """Nothing is read yet."""
        self._stack = stack
        self._lock = threading.Lock()
        self._read: dict[str, WindowsMedia] = {}

    def choice(self, vm: DesiredVm, log: Log, *, verify: bool = True) -> SetupChoice:
        """Return what is installed from the VM's setup CD. Raises ImageInvalid when the CD has no such system.

        With ``verify`` the sum of an ISO on the node is computed there, which takes a while; a file of this machine is
        verified when it is brought to the node.
        """
        assert vm.install is not None  # noqa: S101 - asked for such VMs only
        name, windows = vm.install.iso, vm.install.windows
        with self._lock:
            if name not in self._read:
                with self._opened(self._stack.images[name], vm.node, log, verify=verify) as source:
                    self._read[name] = media.read_media(source, where=f"image {name}")
        found = self._read[name]
        image = choose(found, windows.edition, windows.language, windows.release, where=f"image {name}")
        return SetupChoice(image, found.setup_language(windows.language), unique=found.name_is_unique(image))

    def drivers(self, name: str | None, release: int, log: Log) -> dict[str, bytes]:
        """Return the virtio drivers and guest tools by their path, from the stack's ISO or the catalogue's."""
        path = self.file(name, "virtio-win", log)
        with media.open_source(path) as source:
            return media.drivers(source, release, where=name or "virtio-win")

    def openssh(self, name: str | None, log: Log) -> bytes:
        """Return OpenSSH's installer, from the stack's file or the catalogue's."""
        return self.file(name, "openssh", log).read_bytes()

    @contextmanager
    def _opened(self, image: Image, node: str, log: Log, *, verify: bool) -> Iterator[media.ByteSource]:
        """Open a setup CD, here or on the node."""
        if not isinstance(image.source, Volume):
            with media.open_source(self._path(image, log)) as source:
                yield source
            return
        ssh = self._stack.host.ssh if self._stack.host is not None else None
        if ssh is None:
            raise ImageInvalid(
                f"{image.source.volid} cannot be read over the API, so nobody knows which systems are on it",
                where=f"image {image.name}",
                hint="Give path: of the same ISO on this machine instead of volume:, or host: ssh:.",
            )
        with Nodes(ssh) as nodes:
            door = nodes.door(node)
            path = door.run(["pvesm", "path", image.source.volid]).strip()
            if verify:
                log(f"computing the sum of {image.source.volid} on {node}")
                found = door.run(["sha256sum", "--", path], timeout=_SUM_SECONDS).partition(" ")[0]
                _same_sum(found, image.source, f"image {image.name}")
            with door.open(path) as (file, size):
                yield media.FileSource(file, size)

    def file(self, name: str | None, catalogue: str, log: Log) -> Path:
        """Return a verified file on this machine: the stack's image ``name``, or the catalogue's."""
        if name is not None:
            return self._path(self._stack.images[name], log, verify=True)
        pinned = CATALOGUE[catalogue]
        return fetch(pinned.url, pinned.sha256, progress=partial(_told, log, pinned.filename, [0]))

    def _path(self, image: Image, log: Log, *, verify: bool = False) -> Path:
        match image.source:
            case LocalFile() as source:
                if verify and source.checksum is not None:
                    known = files.Checksum(source.checksum.algorithm, source.checksum.value)
                    files.verify_file(Path(source.path), known)
                return Path(source.path)
            case Download(checksum=checksum) as source if checksum is not None and checksum.algorithm == "sha256":
                return fetch(source.url, checksum.value, progress=partial(_told, log, image.name, [0]))
        raise ImageInvalid("this has to be read here: it needs path: or url:, and sha256:", where=f"image {image.name}")


def _same_sum(found: str, source: Volume, where: str) -> None:
    if found != source.checksum.value:
        raise ImageInvalid(
            f"{source.volid}: sha256 does not match\n  expected: {source.checksum.value}\n  found:    {found}",
            where=where,
            hint="The ISO is damaged or another one: upload it again, or write its sum into the stack file.",
        )


def _told(log: Log, name: str, told: list[int], have: int, size: int | None) -> None:
    """Tell about every tenth of a download. ``told`` holds how many tenths were told."""
    tenths = have * 10 // size if size else 0
    if tenths > told[0]:
        told[0] = tenths
        log(f"{name}: {tenths * 10} % of {(size or 0) >> 20} MiB")


def check_media(
    found: StackMedia, stack: Stack, plan: Plan, vms: Iterable[DesiredVm], *, offline: bool
) -> tuple[str, ...]:
    """Return notes. Raises ImageInvalid when a CD that is on this machine lacks what a new VM shall get.

    One that would have to be fetched is read in the run, before its VM is created.
    """
    notes = []
    new = {action.vm for action in plan.actions if action.verb is Verb.CREATE}
    for vm in vms:
        if vm.install is None or vm.name not in new:
            continue
        source = stack.images[vm.install.iso].source
        ssh = stack.host is not None and stack.host.ssh is not None
        if isinstance(source, LocalFile) or (isinstance(source, Volume) and ssh and not offline):
            choice = found.choice(vm, lambda _: None, verify=False)
            notes.append(f"{vm.name}: {choice.image.name}, build {choice.image.build}, {vm.install.windows.language}")
        elif isinstance(source, Volume):
            notes.append(
                f"{vm.name}: {source.volid} cannot be read over the API; `pvekit up` needs host: ssh:, or the same ISO "
                "on this machine (path:), to know what is on it"
            )
    return tuple(notes)

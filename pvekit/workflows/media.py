"""Setup CDs, driver CDs and installers of a stack: found, verified and read on this machine, each once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from pvekit.adapters import images as files
from pvekit.adapters import media
from pvekit.adapters.download import fetch
from pvekit.model.catalogue import CATALOGUE
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import ImageInvalid
from pvekit.model.media import WindowsMedia, choose
from pvekit.model.plan import Plan, Verb
from pvekit.model.stack import Download, Image, LocalFile, Stack, Volume
from pvekit.provision.apply.job import SetupChoice

Log = Callable[[str], None]


class StackMedia:
    """The media of one stack. Downloads are kept in the cache under their checksum."""

    def __init__(self, stack: Stack) -> None:
        """Nothing is read yet."""
        self._stack = stack
        self._lock = threading.Lock()
        self._read: dict[str, WindowsMedia] = {}

    def choice(self, vm: DesiredVm, log: Log) -> SetupChoice:
        """Return what is installed from the VM's setup CD. Raises ImageInvalid when the CD has no such system."""
        assert vm.install is not None  # noqa: S101 - asked for such VMs only
        name, windows = vm.install.iso, vm.install.windows
        with self._lock:
            if name not in self._read:
                path = self._path(self._stack.images[name], log)
                with media.open_source(path) as source:
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
            case Volume() as source:
                raise ImageInvalid(
                    f"{source.volid} cannot be read over the API, so nobody knows which systems are on it",
                    where=f"image {image.name}",
                    hint="Give path: of the same ISO on this machine instead of volume:; it is uploaded when it is "
                    "not there yet.",
                )
        raise ImageInvalid("a setup CD needs path: or url:, and sha256:", where=f"image {image.name}")


def _told(log: Log, name: str, told: list[int], have: int, size: int | None) -> None:
    """Tell about every tenth of a download. ``told`` holds how many tenths were told."""
    tenths = have * 10 // size if size else 0
    if tenths > told[0]:
        told[0] = tenths
        log(f"{name}: {tenths * 10} % of {(size or 0) >> 20} MiB")


def check_media(found: StackMedia, stack: Stack, plan: Plan, vms: Iterable[DesiredVm]) -> tuple[str, ...]:
    """Return notes. Raises ImageInvalid when a CD that is on this machine lacks what a new VM shall get.

    One that would have to be fetched is read in the run, before its VM is created.
    """
    notes = []
    new = {action.vm for action in plan.actions if action.verb is Verb.CREATE}
    for vm in vms:
        if vm.install is None or vm.name not in new:
            continue
        source = stack.images[vm.install.iso].source
        if isinstance(source, LocalFile):
            choice = found.choice(vm, lambda _: None)
            notes.append(f"{vm.name}: {choice.image.name}, build {choice.image.build}, {vm.install.windows.language}")
        elif isinstance(source, Volume):
            notes.append(
                f"{vm.name}: {source.volid} cannot be read over the API; `pvekit up` needs the ISO on this machine "
                "(path:) to know what is on it"
            )
    return tuple(notes)

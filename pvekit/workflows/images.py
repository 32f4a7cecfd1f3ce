"""Finds the bytes of the stack's images: a download with its checksum, a local file, or one built here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pvekit.adapters import images as files
from pvekit.adapters.checksums import fetch_published, read_lock, write_lock
from pvekit.model.errors import ImageInvalid
from pvekit.model.stack import Built, Checksum, Download, Image, LocalFile, Stack, Volume
from pvekit.provision.apply.job import ResolvedImage
from pvekit.workflows.places import cache_home


class StackImages:
    """The images of one stack. Each is resolved once; ``pvekit.lock`` beside the stack file keeps publishers' sums."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        """Nothing is read yet."""
        self._stack = stack
        self._lock_file = folder / "pvekit.lock"
        self._writing = threading.Lock()

    def __call__(self, name: str, log: Callable[[str], None]) -> ResolvedImage:
        """Return the image. Raises ImageInvalid."""
        image = self._stack.images[name]
        match image.source:
            case Volume() as source:
                return ResolvedImage("", "", "", volid=source.volid, content="iso")
            case LocalFile() as source if image.format == "iso":
                return _iso(image, Path(source.path), source.checksum)
            case Download() as source if image.format == "iso" and source.checksum is not None:
                # It has to be read here as well, so it is fetched here and uploaded.
                from pvekit.adapters.download import fetch

                return _iso(image, fetch(source.url, source.checksum.value), source.checksum)
            case Download() as source:
                return self._download(image, source, log)
            case LocalFile() as source:
                return _local(image, Path(source.path), source)
            case Built() as source:
                return _built(image, source.recipe, log)
        raise ImageInvalid("an image without a source", where=f"image {name}")

    def _download(self, image: Image, source: Download, log: Callable[[str], None]) -> ResolvedImage:
        if source.checksum is not None:
            checksum = files.Checksum(source.checksum.algorithm, source.checksum.value)
        else:
            checksum = self._published(image, source, log)
        filename = files.content_name(image.name, checksum, image.format)
        return ResolvedImage(filename, checksum.algorithm, checksum.hexdigest, url=source.url)

    def _published(self, image: Image, source: Download, log: Callable[[str], None]) -> files.Checksum:
        """Return what the publisher's list said when it was read first; a later change of it replaces nothing."""
        assert source.checksums_url is not None  # noqa: S101 - the stack file has one of both
        with self._writing:
            locked = read_lock(self._lock_file)
            known = locked.get(image.name)
            same = known is not None and known.url == source.url
            if known is not None and same and (known.signer or source.keyring is None):
                return known.checksum
            log(f"reading {source.checksums_url}")
            keyring = Path(source.keyring) if source.keyring is not None else None
            found = fetch_published(source.url, source.checksums_url, keyring)
            if known is not None and same and known.checksum != found.checksum:
                raise _moved(image.name, self._lock_file, known.checksum, found.checksum)
            if found.signer:
                log(f"{image.name}: signed by {found.signer}")
            write_lock(self._lock_file, {**locked, image.name: found})
        log(f"{image.name}: {found.checksum}, noted in {self._lock_file.name}")
        return found.checksum


def _moved(name: str, lock: Path, known: files.Checksum, found: files.Checksum) -> ImageInvalid:
    """Return the error for a list that now says something else than when it was read without its signature."""
    return ImageInvalid(
        f"the signed list gives {found}, {lock.name} has {known}",
        where=f"image {name}",
        hint=f"The publisher has replaced the image: remove its entry from {lock}, or name a dated one.",
    )


def _iso(image: Image, path: Path, checksum: Checksum | None) -> ResolvedImage:
    """Return a CD image of this machine. Raises ImageInvalid when it is not the one with that checksum."""
    found = files.hash_file(path)
    if checksum is not None and checksum.value != found.hexdigest:
        raise ImageInvalid(
            f"sha256 does not match\n  expected: {checksum.value}\n  found:    {found.hexdigest}",
            where=str(path),
            hint="The ISO is damaged or another one: fetch it again, or write its checksum into the stack file.",
        )
    filename = files.content_name(image.name, found, "iso")
    return ResolvedImage(filename, "sha256", found.hexdigest, path=path, content="iso")


def _local(image: Image, path: Path, source: LocalFile) -> ResolvedImage:
    info = files.inspect(path)
    # PVE is told a SHA-256 with the upload, whatever the stack file gives.
    checksum = files.hash_file(path)
    if source.checksum is not None:
        files.verify_file(path, files.Checksum(source.checksum.algorithm, source.checksum.value))
    filename = files.content_name(image.name, checksum, info.format)
    return ResolvedImage(filename, "sha256", checksum.hexdigest, path=path, virtual_size=info.virtual_size)


def _built(image: Image, recipe: str, log: Callable[[str], None]) -> ResolvedImage:
    from pvekit.lab.doors import DoorError
    from pvekit.lab.image.build import build
    from pvekit.lab.image.recipe import VARIANTS

    if recipe not in VARIANTS:
        hint = f"Write build: {' or '.join(VARIANTS)}."
        raise ImageInvalid(f"there is no recipe {recipe}", where=f"image {image.name}", hint=hint)
    try:
        path = build(cache_home() / "images", log, name=recipe)
    except DoorError as error:
        raise ImageInvalid(str(error), where=f"image {image.name}", hint="See also: pvekit doctor env") from error
    return _local(image, path, LocalFile(str(path), None))

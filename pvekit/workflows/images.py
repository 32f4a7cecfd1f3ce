"""Finds the bytes of the stack's images: a download with its checksum, a local file, or one built here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pvekit.adapters import images as files
from pvekit.adapters.checksums import fetch_published, read_lock, write_lock
from pvekit.model.errors import ImageInvalid
from pvekit.model.stack import Built, Download, Image, LocalFile, Stack
from pvekit.provision.apply.job import ResolvedImage
from pvekit.workflows.places import cache_home

RECIPE = "debian-13"


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
            if known is not None and known.url == source.url:
                return known.checksum
            log(f"reading {source.checksums_url}")
            found = fetch_published(source.url, source.checksums_url)
            write_lock(self._lock_file, {**locked, image.name: found})
        log(f"{image.name}: {found.checksum}, noted in {self._lock_file.name}")
        return found.checksum


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

    if recipe != RECIPE:
        raise ImageInvalid(f"there is no recipe {recipe}", where=f"image {image.name}", hint=f"Write build: {RECIPE}.")
    try:
        path = build(cache_home() / "images", log)
    except DoorError as error:
        raise ImageInvalid(str(error), where=f"image {image.name}", hint="See also: pvekit doctor env") from error
    return _local(image, path, LocalFile(str(path), None))

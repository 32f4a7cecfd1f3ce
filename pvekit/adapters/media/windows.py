"""Reads what a Windows installation ISO holds, without unpacking it: some hundred KiB of 6 GiB."""

from __future__ import annotations

from pvekit.adapters.media import iso9660, udf, wim
from pvekit.adapters.media.source import ByteSource, Meter, damaged
from pvekit.adapters.media.tree import Volume, find, find_file
from pvekit.model.errors import ImageInvalid
from pvekit.model.media import WindowsImage, WindowsMedia

_BYTES_LIMIT = 48 << 20
_MAX_LANG_INI = 64 << 10
_INSTALL = ("sources/install.wim", "sources/install.esd")
_BOOT = "sources/boot.wim"
_NOT_WINDOWS = (
    "Give an ISO as Microsoft offers it for download (Windows 11 multi-edition, or the Enterprise evaluation)."
)


def volumes(source: ByteSource) -> list[Volume]:
    """Return the file systems of an image, the one that Windows would use first. Raises ImageInvalid."""
    universal = udf.read_volume(source)
    found: list[Volume] = [universal] if universal is not None else []
    found.extend(iso9660.read_volumes(source))
    if not found:
        raise damaged("it is not an ISO image", "Check the path in the stack file.")
    return found


def read_media(source: ByteSource, *, where: str = "") -> WindowsMedia:
    """Read a Windows installation ISO.

    ``where`` names it in errors. Raises ImageInvalid: not an ISO, damaged, cut off, or without Windows.
    """
    try:
        return _read(Meter(source, bytes_limit=_BYTES_LIMIT))
    except ImageInvalid as error:
        raise ImageInvalid(error.message, where=where or error.where, hint=error.hint) from error


def _read(source: Meter) -> WindowsMedia:
    found = volumes(source)
    for volume in found:
        for path in _INSTALL:
            install = find_file(volume, path)
            if install is not None:
                images = _images(path, install)
                return WindowsMedia(
                    label=volume.label,
                    filesystem=volume.kind,
                    install_path=path,
                    install_bytes=install.size,
                    images=images,
                    boot_images=_boot(volume),
                    setup_languages=_lang_ini(volume),
                )
    if any(find(volume, "sources/install.swm") for volume in found):
        raise ImageInvalid(
            "its install image is split (install.swm)",
            hint="Join the parts: wimlib-imagex join install.wim install*.swm, or use the ISO as Microsoft offers it.",
        )
    raise ImageInvalid("there is no sources/install.wim or install.esd on it", hint=_NOT_WINDOWS)


def _images(path: str, source: ByteSource) -> tuple[WindowsImage, ...]:
    try:
        images = wim.read_images(source)
    except ImageInvalid as error:
        raise ImageInvalid(f"{path}: {error.message}", hint=error.hint) from error
    if not images:
        raise ImageInvalid(f"{path} holds no image", hint=_NOT_WINDOWS)
    return images


def _boot(volume: Volume) -> tuple[WindowsImage, ...]:
    """Return the images of WinPE and Setup; empty when the medium has none."""
    source = find_file(volume, _BOOT)
    return () if source is None else _images(_BOOT, source)


def _lang_ini(volume: Volume) -> tuple[str, ...]:
    """Return the languages that sources/lang.ini offers; empty when there is none."""
    source = find_file(volume, "sources/lang.ini")
    if source is None or source.size > _MAX_LANG_INI:
        return ()
    text = source.read_at(0, source.size).decode("utf-8-sig", errors="replace")
    found, inside = [], False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line.casefold() == "[available ui languages]"
        elif inside and "=" in line:
            found.append(line.partition("=")[0].strip())
    return tuple(dict.fromkeys(found))

"""Takes the drivers that an installation needs out of a virtio-win ISO.

Its layout: ``<driver>/<w10|w11|...>/amd64/`` for each driver, ``virtio-win-guest-tools.exe`` at the top.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from pvekit.adapters.media.source import ByteSource, Meter
from pvekit.adapters.media.tree import Volume, find, find_file
from pvekit.adapters.media.windows import volumes
from pvekit.model.errors import ImageInvalid

DRIVERS = ("vioscsi", "viostor", "NetKVM", "vioserial", "Balloon")
GUEST_TOOLS = "virtio-win-guest-tools.exe"

# The guest tools of 0.1.285 have about 30 MB, the largest driver 1 MB without its symbols.
_MAX_FILE = 128 << 20
_BYTES_LIMIT = 256 << 20
_NEEDED = (".inf", ".sys", ".cat")
# Symbols for debuggers are many times larger than the driver.
_LEFT_OUT = (".pdb",)
_HINT = "Give the virtio-win ISO as the Fedora project publishes it (0.1.285 or newer), or leave drivers out."


def drivers(source: ByteSource, release: int, names: Sequence[str] = DRIVERS, *, where: str = "") -> dict[str, bytes]:
    """Return the files of the drivers for Windows ``release`` (10 or 11), and of the guest tools.

    Keys are ``vioscsi/vioscsi.inf`` and ``virtio-win-guest-tools.exe``. ``where`` names the ISO in errors. Raises
    ImageInvalid: not a readable ISO, or something is missing, all of it named at once.
    """
    try:
        meter = Meter(source, bytes_limit=_BYTES_LIMIT)
        # virtio-win has plain ISO names too, which are cut: the first volume has the whole ones.
        return _drivers(volumes(meter)[0], f"w{release}", names)
    except ImageInvalid as error:
        raise ImageInvalid(error.message, where=where or error.where, hint=error.hint) from error


def _drivers(volume: Volume, release: str, names: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    missing = []
    for name in names:
        folder = f"{name}/{release}/amd64"
        files = _folder(volume, folder)
        absent = [ending for ending in _NEEDED if not any(each.lower().endswith(ending) for each in files)]
        if absent:
            missing.append(f"{folder}/*{absent[0]}" if files else folder)
        found.update({f"{name}/{file}": data for file, data in files.items()})
    tools = find_file(volume, GUEST_TOOLS)
    if tools is None:
        missing.append(GUEST_TOOLS)
    else:
        found[GUEST_TOOLS] = _content(GUEST_TOOLS, tools)
    if missing:
        raise ImageInvalid(f"not on the driver ISO: {', '.join(missing)}", hint=_HINT)
    return found


def _folder(volume: Volume, path: str) -> dict[str, bytes]:
    """Return the files of a folder by name, without those that only debuggers need; empty when it is not there."""
    folder = find(volume, path)
    if folder is None or not folder.folder:
        return {}
    entries = [each for each in volume.entries(folder) if not each.folder]
    return {
        each.name: _content(posixpath.join(path, each.name), each.open())
        for each in entries
        if not each.name.lower().endswith(_LEFT_OUT) and _plain(each.name)
    }


def _plain(name: str) -> bool:
    """Return whether a name is one file name, and no way out of the folder it will be written to."""
    return name not in ("", ".", "..") and not set(name) & set('/\\:*?"<>|\0')


def _content(path: str, source: ByteSource) -> bytes:
    if source.size > _MAX_FILE:
        raise ImageInvalid(f"{path} has {source.size} bytes, far more than any driver", hint=_HINT)
    return source.read_at(0, source.size)

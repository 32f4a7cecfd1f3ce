"""WIM and ESD files, for reading what images they hold. Nothing is unpacked: the header and the XML are all.

The header is 208 bytes; resource descriptors in it are a size of 56 bits with 8 flags, an offset and the unpacked size
(Microsoft, Windows Imaging File Format). The XML is UTF-16 with a byte order mark and never compressed.
"""

from __future__ import annotations

import struct
from xml.etree import ElementTree as ET

from pvekit.adapters.media.source import ByteSource, damaged
from pvekit.model.errors import ImageInvalid
from pvekit.model.media import WindowsImage

_MAGIC = b"MSWIM\0\0\0"
_HEADER = 208
# Real ones have some ten KiB.
_MAX_XML = 4 << 20
_MAX_IMAGES = 256
_COMPRESSED = 4
_ARCHITECTURES = {"0": "x86", "5": "arm", "6": "ia64", "9": "amd64", "12": "arm64"}


def read_images(source: ByteSource) -> tuple[WindowsImage, ...]:
    """Return the images of a WIM or ESD file, by index. Raises ImageInvalid."""
    header = source.read_at(0, _HEADER) if source.size >= _HEADER else b""
    if not header.startswith(_MAGIC):
        raise damaged("it is not a WIM or ESD file")
    part, parts = struct.unpack_from("<HH", header, 40)
    if parts != 1 or part != 1:
        raise ImageInvalid(
            f"it is part {part} of a split WIM of {parts} parts",
            hint="Join them: wimlib-imagex join install.wim install*.swm, or use the ISO as Microsoft offers it.",
        )
    _size, table_end, _flags = _resource(header, 48)
    size, end, flags = _resource(header, 72)
    if max(table_end, end) > source.size:
        raise damaged(f"it is cut off: it should reach to byte {max(table_end, end)}, but has {source.size}")
    if flags & _COMPRESSED or not 2 <= size <= _MAX_XML:
        raise damaged(f"its list of images makes no sense ({size} bytes)")
    return parse(source.read_at(end - size, size))


def _resource(header: bytes, offset: int) -> tuple[int, int, int]:
    """Return a resource's size in the file, where it ends, and its flags."""
    packed, start = struct.unpack_from("<QQ", header, offset)
    size = packed & 0x00FFFFFFFFFFFFFF
    return size, start + size, packed >> 56


def parse(data: bytes) -> tuple[WindowsImage, ...]:
    """Read the XML of a WIM. Raises ImageInvalid."""
    try:
        document = data.decode("utf-16")
        if "<!" in document:
            # No entity is ever defined there, and a hostile one could grow without end.
            raise damaged("its list of images has a document type")
        root = ET.fromstring(document)  # noqa: S314 - no document type, so no entities
    except (UnicodeDecodeError, ET.ParseError) as error:
        raise damaged(f"its list of images cannot be read ({error})") from error
    elements = root.findall("IMAGE")
    if root.tag != "WIM" or len(elements) > _MAX_IMAGES:
        raise damaged("its list of images makes no sense")
    images = sorted((_image(each) for each in elements), key=lambda image: image.index)
    if len({image.index for image in images}) != len(images):
        raise damaged("its list of images has an index twice")
    return tuple(images)


def _image(element: ET.Element) -> WindowsImage:
    """Read one image; what is not said stays empty."""
    version = tuple(_number(element, f"WINDOWS/VERSION/{part}") for part in ("MAJOR", "MINOR", "BUILD", "SPBUILD"))
    languages = [each.text.strip() for each in element.findall("WINDOWS/LANGUAGES/LANGUAGE") if each.text]
    default = _text(element, "WINDOWS/LANGUAGES/DEFAULT")
    return WindowsImage(
        index=_parse(element.get("INDEX", ""), "INDEX"),
        name=_text(element, "NAME"),
        display_name=_text(element, "DISPLAYNAME"),
        edition_id=_text(element, "WINDOWS/EDITIONID") or _text(element, "FLAGS"),
        architecture=_ARCHITECTURES.get(_text(element, "WINDOWS/ARCH"), "unknown"),
        languages=tuple(dict.fromkeys(languages)),
        default_language=default or (languages[0] if len(languages) == 1 else ""),
        version=".".join(map(str, version)) if version[2] else "",
        build=version[2],
        total_bytes=_number(element, "TOTALBYTES"),
    )


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(element: ET.Element, path: str) -> int:
    return _parse(_text(element, path) or "0", path)


def _parse(value: str, what: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise damaged(f"its list of images has {what}={value[:40]!r} where a number belongs")
    return int(value)

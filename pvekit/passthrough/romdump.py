"""What the rom-parser tool printed about a ROM file, wherever in the bundle it was kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Bundle, Line
from pvekit.passthrough.pattern import Pattern

_IMAGE = Pattern(r"Valid ROM signature found @(?P<at>[0-9a-f]+)h, PCIR offset")
_KIND = Pattern(r"PCIR: type (?P<kind>[0-9a-f]+)\b.*vendor: (?P<vendor>[0-9a-f]{4}), device: (?P<device>[0-9a-f]{4})")
_LAST = Pattern(r"^\s*Last image\s*$")
_NEVER_JUDGED = "note.txt"


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a ROM. ``kind`` 0 is a legacy BIOS, 3 an EFI driver; ``at`` is where it begins in the file."""

    at: int
    kind: int
    vendor: str
    device: str
    line: Line


def images(bundle: Bundle) -> tuple[Image, ...]:
    """Return the images of the first ROM that was printed to its end; nothing when none was."""
    for file in sorted(bundle.files):
        if file.rpartition("/")[2] == _NEVER_JUDGED:
            continue
        if not _KIND.possible(bundle.files[file]):
            continue
        found = _in(bundle.lines(file))
        if found:
            return found
    return ()


def _in(lines: tuple[Line, ...]) -> tuple[Image, ...]:
    found: list[Image] = []
    at = 0
    for line in lines:
        if image := _IMAGE.search(line.text):
            at = int(image["at"], 16)
        elif kind := _KIND.search(line.text):
            found.append(Image(at, int(kind["kind"], 16), kind["vendor"], kind["device"], line))
        elif found and _LAST.search(line.text):
            return tuple(found)
    return ()

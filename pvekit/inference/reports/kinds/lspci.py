"""lspci -vv of a card: what its link can do and what it does."""

from __future__ import annotations

import re

from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Text

_DEVICE = re.compile(r"^(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] (.{3,300})$")
_CARD = re.compile(r"VGA compatible|3D controller|Display controller|Processing accelerators")
_MAKER = re.compile(r"NVIDIA|AMD/ATI|Advanced Micro|Intel.*(?:Arc|DG2|Battlemage)")
_LINK = re.compile(
    r"Lnk(Cap|Sta):.{0,40}?Speed (\d{1,9}(?:\.\d{1,9})?)GT/s(?: \((?:ok|downgraded"
    r"|overdriven)\))?,.{0,24}?Width x(\d{1,2})"
)
_GENERATIONS = {"2.5": 1, "5": 2, "8": 3, "16": 4, "32": 5, "64": 6}


def read(text: Text, found: Found) -> None:
    """Read the links below a card; a link with no device above it counts where no other device stands in the file."""
    card: bool | None = None
    for line in text.lines:
        if match := _DEVICE.match(line.text):
            card = _CARD.search(match.group(1)) is not None and _MAKER.search(match.group(1)) is not None
            found.take(line)
        elif (match := _LINK.search(line.text)) and card is not False:
            found.take(line)
            generation = _GENERATIONS.get(match.group(2).removesuffix(".0"))
            end = "_max" if match.group(1) == "Cap" else ""
            found.say(f"host.link_generation{end}", generation, line)
            found.say(f"host.link_width{end}", int(match.group(3)), line)

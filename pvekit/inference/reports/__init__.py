"""Reports: text of any kind, in any mixture, becomes what ``explain`` judges.

Readers of programs' output (``kinds``) come first; what none of them took is read as prose.
"""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.inference.observed import Observed
from pvekit.inference.reports import kinds, prose
from pvekit.inference.reports.assemble import assemble
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import texts


def read(files: Mapping[str, str], name: str = "") -> Observed:
    """Return everything that the files say. ``files`` is text by name; odd text gives fewer facts, never an error."""
    found = Found()
    everything = texts(files)
    for text in everything:
        for reader in kinds.readers():
            reader(text, found)
    for text in everything:
        prose.read(text, found)
    return assemble(found, name or next(iter(sorted(files)), ""))

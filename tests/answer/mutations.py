"""Two hundred answer files, each with one mistake, the same ones at every run.

The families are mistakes that people make, not the checks of the lint: from the list of reported failures, the rules on
the pages of Microsoft's reference, and what editing XML by hand does. Whatever leaves the meaning as it was (white
space between elements, comments, order of siblings, versionScope left out) is no mistake and is not made.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from pvekit.model.answer import Image
from tests.answer import mutate_text, mutate_tree
from tests.answer.good import good_files

Make = Callable[[random.Random, bytes], bytes | None]

SEED = 20261125
COUNT = 200
_TRIES = 40


@dataclass(frozen=True, slots=True)
class Mutation:
    """One wrong file. ``base`` is the name of the right one, ``data`` None in none."""

    family: str
    base: str
    data: bytes
    image: Image


FAMILIES: dict[str, Make] = {**mutate_tree.FAMILIES, **mutate_text.FAMILIES}


def mutations(count: int = COUNT, seed: int = SEED) -> list[Mutation]:
    """Return ``count`` different mutations, family after family in turn."""
    made: list[Mutation] = []
    seen = {data for data, _ in good_files().values()}
    for mutation in _endless(random.Random(seed)):
        if mutation.data not in seen:
            seen.add(mutation.data)
            made.append(mutation)
        if len(made) == count:
            break
    return made


def _endless(rng: random.Random) -> Iterator[Mutation]:
    good = good_files()
    while True:
        for family, make in FAMILIES.items():
            for _ in range(_TRIES):
                base = rng.choice(sorted(good))
                data, image = good[base]
                changed = make(rng, data)
                if changed is not None and _differs(data, changed):
                    yield Mutation(family, base, changed, image)
                    break


def _differs(before: bytes, after: bytes) -> bool:
    """Return whether the two differ as XML, or the second is none."""
    try:
        return etree.tostring(etree.fromstring(before), method="c14n") != etree.tostring(
            etree.fromstring(after), method="c14n"
        )
    except etree.XMLSyntaxError:
        return True

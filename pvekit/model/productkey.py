"""Windows product keys: their form, and whether a public one belongs to the wanted edition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pvekit.model.errors import PreflightRefused
from pvekit.model.media import EDITIONS
from pvekit.model.windowskeys import INSTALLATION, KMS_CLIENT

# 24 characters that cannot be mistaken for one another; keys since Windows 8 have one N besides.
_FORM = re.compile(r"[BCDFGHJKMNPQRTVWXY2346789]{5}(?:-[BCDFGHJKMNPQRTVWXY2346789]{5}){4}")
_EXAMPLE = "A key is five groups of five: XXXXX-XXXXX-XXXXX-XXXXX-XXXXX, without the characters A, E, I, O, U, 0, 1, 5."


@dataclass(frozen=True, slots=True)
class ProductKey:
    """A key whose form is right. ``edition_id`` is empty for a private key: only Microsoft knows its edition.

    ``kind`` is ``installation`` (chooses the edition, never activates), ``kms`` (activates at a KMS host of the
    network) or ``private``. The key is not shown when the value is printed.
    """

    text: str
    kind: Literal["installation", "kms", "private"]
    edition_id: str

    def __repr__(self) -> str:
        """Return everything but the key."""
        return f"ProductKey(kind={self.kind!r}, edition_id={self.edition_id!r})"


def read_key(text: str) -> ProductKey:
    """Read a key, in upper or lower case. Raises PreflightRefused when its form is wrong; the key is not quoted."""
    key = text.strip().upper()
    if not _FORM.fullmatch(key) or key.count("N") > 1:
        raise PreflightRefused([f"the product key has a wrong form ({len(key)} characters)"], hint=_EXAMPLE)
    if key in INSTALLATION:
        return ProductKey(key, "installation", INSTALLATION[key])
    if key in KMS_CLIENT:
        return ProductKey(key, "kms", KMS_CLIENT[key])
    return ProductKey(key, "private", "")


def check_key(text: str, edition: str) -> ProductKey:
    """Return the key when it can belong to the edition (a key of ``media.EDITIONS``, or an EDITIONID).

    Raises PreflightRefused: wrong form, a public key of another edition, or an edition that takes no key. Whether a
    private key belongs to the edition cannot be known here.
    """
    key = read_key(text)
    wanted = EDITIONS.get(edition, edition)
    if wanted.casefold().endswith("eval"):
        raise PreflightRefused(
            [f"the edition {edition} takes no product key"],
            hint="Remove key: an evaluation runs for 90 days and can never be activated.",
        )
    if key.edition_id and key.edition_id.casefold() != wanted.casefold():
        other = next((name for name, known in EDITIONS.items() if known == key.edition_id), key.edition_id)
        raise PreflightRefused(
            [f"the product key is the public one of the edition {other}, not of {edition}: Setup would stop"],
            hint=f"Remove key, so that the public key of {edition} is taken, or write edition: {other}.",
        )
    return key


def install_key(edition: str) -> ProductKey | None:
    """Return the public key that makes Setup install the edition; None when there is none (evaluations, LTSC)."""
    wanted = EDITIONS.get(edition, edition).casefold()
    for key, known in INSTALLATION.items():
        if known.casefold() == wanted:
            return ProductKey(key, "installation", known)
    return None

"""Answer files that are right: the base of the mutations, and of the golden files."""

from __future__ import annotations

from pathlib import Path

from pvekit.adapters.secrets import Secret
from pvekit.adapters.windows import render
from pvekit.model.answer import Account, Answer, Image

CASES = Path(__file__).parent / "cases"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvHbXWvwY4nq3d6n7o4qjS0c2mX9w8l1pQeHkTzRr5J anna@laptop"
PRO_KEY = "VK7JG-NPHTM-C97JM-9MPGT-3V66T"
HOME_KEY = "YTMG3-N6DKC-DKB77-7M9GH-8HVX7"
_GIB = 1 << 30

PRO = Answer(
    computer="win-work",
    release=11,
    edition_id="Professional",
    image_name="Windows 11 Pro",
    image_index=6,
    setup_language="en-US",
    language="en-US",
    locale="en-US",
    keyboard="en-US",
    timezone="UTC",
    accounts=(Account("anna", Secret("correct horse battery"), admin=True),),
    ssh_keys=(KEY,),
    disk_min=64 * _GIB - (16 << 20),
    disk_max=64 * _GIB + (16 << 20),
    key=Secret(PRO_KEY),
)
HOME = Answer(
    computer="win-kids",
    release=11,
    edition_id="Core",
    image_name="Windows 11 Home",
    image_index=1,
    setup_language="de-DE",
    language="de-DE",
    locale="de-DE",
    keyboard="de-DE",
    timezone="W. Europe Standard Time",
    accounts=(
        Account("anna", Secret("päß&<w>ört"), admin=True),
        Account("Jörg O’Neil", Secret("quote'and\"quote")),
        Account("Mia", Secret("%PATH%!x^")),
    ),
    ssh_keys=(KEY, KEY.replace("anna@laptop", "anna's ‘old’ key")),
    disk_min=128 * _GIB - (16 << 20),
    disk_max=128 * _GIB + (16 << 20),
    rdp=False,
    updates="all",
    key=Secret(HOME_KEY),
)
EVALUATION = Answer(
    computer="WIN10",
    release=10,
    edition_id="EnterpriseEval",
    image_name="Windows 10 Enterprise Evaluation",
    image_index=1,
    setup_language="en-GB",
    language="en-GB",
    locale="fr-CH",
    keyboard="de-CH",
    timezone="",
    accounts=(Account("anna", Secret("a"), admin=True), Account("ben", Secret("b" * 60), admin=True)),
    ssh_keys=(KEY,),
    disk_min=0,
    disk_max=1,
    by_name=False,
    updates="none",
)
ANSWERS = {"pro-en": PRO, "home-de": HOME, "evaluation": EVALUATION}
CLASSIC = "classic"
"""A file as Setup's own way of partitioning wants it; written by hand, not rendered."""


def image_of(answer: Answer) -> Image:
    """Return the image that an answer file is for."""
    return Image(answer.edition_id, answer.language, answer.setup_language, answer.architecture, (answer.image_name,))


def good_files() -> dict[str, tuple[bytes, Image]]:
    """Return every right file by name, with the image it is for."""
    files = {name: (render(answer)["autounattend.xml"], image_of(answer)) for name, answer in ANSWERS.items()}
    classic = (CASES / "classic.xml").read_bytes()
    files[CLASSIC] = (classic, Image("Professional", "en-US", "en-US", "amd64", ("Windows 11 Home", "Windows 11 Pro")))
    return files

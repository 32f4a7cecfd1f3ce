"""A lint for answer files. Microsoft's schema lets almost anything through; this knows what stands where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pvekit.model.answer import rules, structure
from pvekit.model.answer.finding import Finding, at
from pvekit.model.answer.tree import Node, Unreadable, read
from pvekit.model.errors import PreflightRefused
from pvekit.model.productkey import check_key

_SETUP = "Microsoft-Windows-Setup"


@dataclass(frozen=True, slots=True)
class Image:
    """What is known about the image that the file is for.

    ``edition_id`` is Microsoft's word (``Professional``); ``language`` the language of the image; ``setup_language``
    that of Setup itself; ``names`` are the names of all images of the medium, empty when they are not known.
    """

    edition_id: str
    language: str
    setup_language: str
    architecture: str = "amd64"
    names: tuple[str, ...] = ()


def lint(xml: bytes, *, image: Image | None = None) -> list[Finding]:
    """Return every mistake of an answer file, in file order; empty means that none was found.

    With ``image``, the file must also fit it: edition and product key, languages, architecture, image name.
    """
    try:
        root = read(xml)
    except Unreadable as error:
        return [Finding(error.line, "", str(error), "Windows Setup cannot read it either.")]
    found = [*structure.check(root)]
    if root.name == "unattend":
        found += rules.check(root)
        if image is not None:
            found += _fits(root, image)
    return sorted(dict.fromkeys(found), key=lambda finding: finding.line)


def _fits(root: Node, image: Image) -> Iterator[Finding]:
    for key in _keys(root):
        try:
            check_key(key.value, image.edition_id)
        except PreflightRefused as error:
            yield at(key, error.reasons[0], error.hint)
    yield from _languages(root, image)
    for node in root.walk():
        word = node.attributes.get("processorArchitecture")
        if word is not None and word not in (image.architecture, "wow64"):
            yield at(node, f"the component is for {word}, the image for {image.architecture}")
        if node.name == "MetaData" and image.names:
            what, value = node.child("Key"), node.child("Value")
            if what is None or value is None:
                continue
            if what.value.upper() == "/IMAGE/NAME" and value.value not in image.names:
                yield at(value, f"the medium has no image {value.value!r}", f"It has: {', '.join(image.names)}.")


def _keys(root: Node) -> Iterator[Node]:
    setup = rules.component(root, "windowsPE", _SETUP)
    shell = rules.component(root, "specialize", "Microsoft-Windows-Shell-Setup")
    for component, path in ((setup, "UserData/ProductKey/Key"), (shell, "ProductKey")):
        key = component.find(path) if component is not None else None
        if key is not None and key.value:
            yield key


def _languages(root: Node, image: Image) -> Iterator[Finding]:
    winpe = rules.component(root, "windowsPE", "Microsoft-Windows-International-Core-WinPE")
    for path in ("SetupUILanguage/UILanguage", "UILanguage"):
        node = winpe.find(path) if winpe is not None else None
        if node is not None and node.value != image.setup_language:
            yield at(node, f"Setup on this medium does not speak {node.value!r}", f"Write {image.setup_language}.")
    for pass_name in ("specialize", "oobeSystem"):
        international = rules.component(root, pass_name, "Microsoft-Windows-International-Core")
        node = international.child("UILanguage") if international is not None else None
        if node is not None and node.value != image.language:
            yield at(node, f"the image does not speak {node.value!r}", f"Write {image.language}.")

"""What the kernel's options say about the IOMMU, read as the kernel reads them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pvekit.model.missing import Missing
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.cmdline import Token
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor


def name_of(token: Token) -> str:
    """Return an option's name; the kernel takes a dash and an underscore for the same."""
    return token.name.replace("-", "_")


def words_of(token: Token) -> tuple[str, ...]:
    """Return the comma-separated words of an option's value."""
    return tuple(word for word in (token.value or "").split(",") if word)


def intel_iommu(tokens: Iterable[Token]) -> tuple[str, Token | None]:
    """Return ``on``, ``off`` or "" as ``intel_iommu=`` leaves it, and the option that says so: the last word wins.

    The kernel compares beginnings only: ``on;iommu=pt`` is ``on`` as well.
    """
    state: tuple[str, Token | None] = ("", None)
    for token in tokens:
        if name_of(token) != "intel_iommu":
            continue
        for word in words_of(token):
            if word.startswith("on"):
                state = ("on", token)
            elif word.startswith("off"):
                state = ("off", token)
    return state


def switched_off(tokens: Iterable[Token], maker: str) -> Token | None:
    """Return the option that keeps the kernel from using the IOMMU; ``maker`` is intel, amd or "" (unknown)."""
    known = tuple(tokens)
    state, token = intel_iommu(known)
    if state == "off" and maker != "amd":
        return token
    for token in known:
        name, words = name_of(token), words_of(token)
        always = name in ("iommu", "acpi")
        if "off" in words and (always or (name == "amd_iommu" and maker != "intel")):
            return token
    return None


def malformed(tokens: Iterable[Token]) -> Token | None:
    """Return an option that was meant to be ``intel_iommu=on`` and that the kernel does not take for it."""
    known = tuple(tokens)
    if intel_iommu(known)[0]:
        return None
    for token in known:
        if "intel_iommu" in str(token).lower().replace("-", "_"):
            return token
    return None


def maker_of(processor: Processor | Missing, tables: AcpiTables | Missing, log: KernelLog | Missing) -> str:
    """Return whose IOMMU it is, ``intel`` or ``amd``; "" when nothing tells.

    The processor is asked last: a virtual machine can have Intel's IOMMU with an AMD processor.
    """
    if not isinstance(tables, Missing) and tables.iommu:
        return {"DMAR": "intel", "IVRS": "amd"}[tables.iommu]
    if not isinstance(log, Missing):
        if log.first(r"DMAR: DRHD base|DMAR: Host address width"):
            return "intel"
        if log.first(r"AMD-Vi: (?:Found IOMMU|Extended features|AMD IOMMU disabled)"):
            return "amd"
    if not isinstance(processor, Missing) and processor.vendor in ("intel", "amd"):
        return processor.vendor
    return ""

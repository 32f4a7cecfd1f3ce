"""Power or ACPI options that a guide left behind, which can keep a card from waking up.

``pcie_aspm=off``, ``pcie_aspm=force``, ``pcie_port_pm=off``, ``pci=noacpi`` and ``pci=nocrs`` change how the kernel
treats every PCI device. None of them is needed for passthrough. They are told as a note; if the card does not wake
up (RS-03), remove them one by one.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.options import words_of
from pvekit.passthrough.outcome import Outcome, noted, passed

TITLE = "Power options left behind by a guide"
LAYER = Layer.KERNEL_OPTION
SOURCES = ("Linux Documentation/admin-guide/kernel-parameters.txt: pcie_aspm=, pcie_port_pm=, pci=",)
_OPTIONS = {"pcie_aspm": {"off", "force"}, "pcie_port_pm": {"off"}, "pci": {"noacpi", "nocrs"}}
_REMEDY = Remedy("Remove them one at a time, with a restart each time.", risk="the host can use more or less power")


def check(cmdline: Cmdline | Missing) -> Outcome | None:
    """Look for them."""
    if isinstance(cmdline, Missing):
        return None
    found = [token for token in cmdline.tokens if _known(token)]
    if not found:
        return passed("no power option that a guide could have left behind", cmdline.line)
    names = " ".join(str(token) for token in found)
    return noted(f"not needed for passthrough: {names}", *dict.fromkeys(token.line for token in found), remedy=_REMEDY)


def _known(token: Token) -> bool:
    return bool(_OPTIONS.get(token.name, set()) & set(words_of(token)))

"""The card in a Windows guest uses a shared line interrupt (INTx) and not MSI.

On the host ``/proc/interrupts`` then has a row ``vfio-intx(0000:01:00.0)`` that counts. Line interrupts are slow,
make sound crackle, and some cards work badly with them. Windows drivers choose by a registry value, so this is a
note.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.interrupts import Interrupts
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, noted, passed
from pvekit.passthrough.vmrules import in_question, windows

TITLE = "Line interrupts in Windows"
LAYER = Layer.GUEST
SOURCES = ("Linux drivers/vfio/pci/vfio_pci_intrs.c, vfio_intx_enable()", "Arch Linux wiki, PCI passthrough via OVMF")
_REMEDY = Remedy(
    "In Windows set MSISupported to 1 below the device's key (HKLM\\SYSTEM\\CurrentControlSet\\Enum\\PCI\\...\\Device "
    "Parameters\\Interrupt Management\\MessageSignaledInterruptProperties) and restart the guest."
)


def check(vms: VmConfigs | Missing, target: Target | Missing, interrupts: Interrupts | Missing) -> Outcome | None:
    """Look for counting line interrupts of the target."""
    if isinstance(target, Missing) or isinstance(interrupts, Missing):
        return None
    if not any(windows(vm) for vm in in_question(vms, target)):
        return None
    known = {str(bdf) for bdf in target.bdfs} | {str(device.bdf) for device in target.functions}
    rows = [row for row in interrupts.rows if any(f"({bdf})" in name for name in row.names for bdf in known)]
    line = next((row for row in rows if row.count and any("vfio-intx" in name for name in row.names)), None)
    if line is not None:
        return noted("Windows drives the card with line interrupts", line.line, remedy=_REMEDY)
    message = next((row for row in rows if row.count and any("vfio-msi" in name for name in row.names)), None)
    return None if message is None else passed("Windows drives the card with MSI", message.line)

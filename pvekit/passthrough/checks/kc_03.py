"""The file with the kernel's options was changed, but the host runs without the change.

Either the boot loader's configuration was not written again (``update-grub``, ``proxmox-boot-tool refresh``), or
the host was not restarted since. What is in force stands in ``/proc/cmdline``. It is a fault only where the missing
option matters: the IOMMU is not in use and would be with it. Other differences are told as a note.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.options import maker_of
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pending import better, read_by_loader

TITLE = "The changed kernel options are not in force"
LAYER = Layer.KERNEL_OPTION
SOURCES = ('pve-docs sysadmin.adoc, "Editing the Kernel Commandline"', "proc(5), /proc/cmdline")
_REMEDY = Remedy("Run update-grub or proxmox-boot-tool refresh, whichever this host uses, and start the host again.")
_RELEVANT = ("iommu", "vfio", "pci", "initcall_blacklist", "video", "modprobe.blacklist")


def check(
    boot: Boot | Missing, cmdline: Cmdline | Missing, translation: Translation | Missing,
    tables: AcpiTables | Missing, processor: Processor | Missing, log: KernelLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Compare the file that counts with what runs."""
    if isinstance(boot, Missing) or isinstance(cmdline, Missing):
        return None
    used = read_by_loader(boot) or (next(iter(boot.wanted)) if len(boot.wanted) == 1 else "")
    if used not in boot.wanted:
        return None
    wanted = boot.wanted[used]
    token = better(wanted, cmdline, maker_of(processor, tables, log))
    gone = not isinstance(tables, Missing) and not tables.iommu
    if token is not None and not isinstance(translation, Missing) and translation.works is False and not gone:
        return failed(
            f"{used} asks for {token}, but the running kernel was started without that change",
            token.line, cmdline.line, *translation.evidence, remedy=_REMEDY,
        )  # fmt: skip
    running = {str(item) for item in cmdline.tokens}
    waiting = [item for item in wanted if str(item) not in running and _relevant(item)]
    if waiting:
        names = " ".join(str(item) for item in waiting)
        return noted(f"written in {used} and not in force: {names}", waiting[0].line, cmdline.line, remedy=_REMEDY)
    return passed(f"the options of {used} are in force", *[item.line for item in wanted[:1]], cmdline.line)


def _relevant(token: Token) -> bool:
    return any(word in token.name for word in _RELEVANT)

"""The option is written into the file of a boot loader that this host does not use.

Hosts with GRUB take their options from ``/etc/default/grub``, hosts with systemd-boot (ZFS with UEFI) from
``/etc/kernel/cmdline``. ``proxmox-boot-tool status`` and ``efibootmgr -v`` tell which one it is; so does
``/proc/cmdline``, which begins with ``BOOT_IMAGE=`` under GRUB and with ``initrd=`` under systemd-boot.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.options import maker_of
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pending import better, read_by_loader

TITLE = "The option is in the file of another boot loader"
LAYER = Layer.KERNEL_OPTION
SOURCES = ('pve-docs sysadmin.adoc, "Editing the Kernel Commandline"', "pve-docs system-booting.adoc")
_COMMANDS = {"grub": "update-grub", "systemd-boot": "proxmox-boot-tool refresh"}


def check(
    boot: Boot | Missing, cmdline: Cmdline | Missing, translation: Translation | Missing,
    tables: AcpiTables | Missing, processor: Processor | Missing, log: KernelLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Compare the file that counts with the other one."""
    if isinstance(boot, Missing) or isinstance(cmdline, Missing):
        return None
    used = read_by_loader(boot)
    if not used:
        return None
    maker = maker_of(processor, tables, log)
    others = {name: tokens for name, tokens in boot.wanted.items() if name != used}
    found = next(((name, token) for name, tokens in others.items() if (token := better(tokens, cmdline, maker))), None)
    if found is None:
        return passed(f"{boot.loader} reads {used}", *boot.evidence) if used in boot.wanted else None
    if better(boot.wanted.get(used, ()), cmdline, maker) is not None:
        return None
    name, token = found
    message = f"{token} is in {name}, but this host starts with {boot.loader}, which reads {used}"
    remedy = Remedy(
        f"Write it into {used}, run {_COMMANDS[boot.loader]}, and start the host again.",
        risk="a typing error there can keep the host from starting; keep an old entry",
    )
    gone = not isinstance(tables, Missing) and not tables.iommu
    if isinstance(translation, Missing) or translation.works is not False or gone:
        return noted(message, token.line, cmdline.line, remedy=remedy)
    return failed(message, token.line, cmdline.line, *boot.evidence[:1], *translation.evidence, remedy=remedy)

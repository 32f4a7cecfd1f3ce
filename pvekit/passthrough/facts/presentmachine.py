"""The part of the baseline that is about the machine: firmware, kernel, options, windows, reserved memory."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.baseline import Baseline, Span
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.dmi import Dmi
from pvekit.passthrough.facts.iommu import IommuClass
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.pveversion import PveVersion
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class PresentMachine:
    """A baseline with this part filled in."""

    found: Baseline


_RMRR = Pattern(r"DMAR: RMRR base: 0x([0-9a-f]{1,16}) end: 0x([0-9a-f]{1,16})")
_TABLE_READ = Pattern(r"DMAR: (?:Host address width|DRHD base)")
_MICROCODE = Pattern(r"^microcode\s*:\s*0x([0-9a-f]{1,16})\s*$")
_MICROCODE_LOGGED = Pattern(
    r"microcode: Current revision: 0x([0-9a-f]{1,16})"
    r"|microcode(?:: microcode)? updated early to revision 0x([0-9a-f]{1,16})"
)
_ELSEWHERE = frozenset({
    "BOOT_IMAGE", "initrd", "root", "rootflags", "resume", "resume_offset", "boot", "cryptdevice", "rd.luks.uuid",
    "rd.lvm.lv", "systemd.machine_id",
})  # fmt: skip
"""Options that name the kernel's own files and the host's disks."""


def read(
    dmi: Dmi | Missing, kernel: Kernel | Missing, version: PveVersion | Missing, cmdline: Cmdline | Missing,
    tables: AcpiTables | Missing, iommu: IommuClass | Missing, log: KernelLog | Missing, sources: Sources,
) -> PresentMachine:  # fmt: skip
    """Put it together; what nothing tells is Missing."""
    microcode, rmrr = _microcode(sources, log), _rmrr(log)
    found = Baseline(
        bios_vendor=_dmi(dmi, "bios_vendor"),
        bios_version=_dmi(dmi, "bios_version"),
        bios_date=_dmi(dmi, "bios_date"),
        microcode=microcode if isinstance(microcode, Missing) else microcode[0],
        kernel=kernel if isinstance(kernel, Missing) else kernel.release,
        pve=_pve(version),
        cmdline=_options(cmdline),
        tables=tables if isinstance(tables, Missing) else tables.iommu,
        iommu=iommu if isinstance(iommu, Missing) else tuple(sorted(iommu.names)),
        rmrr=rmrr if isinstance(rmrr, Missing) else tuple(sorted(span for span, _ in rmrr)),
        lines={
            "firmware": () if isinstance(dmi, Missing) else _of_firmware(dmi),
            "microcode": () if isinstance(microcode, Missing) else (microcode[1],),
            "kernel": () if isinstance(kernel, Missing) else (kernel.line,),
            "pve": () if isinstance(version, Missing) else _of_manager(version),
            "cmdline": () if isinstance(cmdline, Missing) else (cmdline.line,),
            "tables": () if isinstance(tables, Missing) else tables.evidence,
            "iommu": () if isinstance(iommu, Missing) else iommu.evidence,
            "rmrr": () if isinstance(rmrr, Missing) else tuple(line for _, line in rmrr),
        },
    )
    return PresentMachine(found)


def _dmi(dmi: Dmi | Missing, key: str) -> str | Missing:
    if isinstance(dmi, Missing):
        return dmi
    return dmi.values[key] if key in dmi.values else Missing("dmi.txt", f"does not tell {key}")


def _of_firmware(dmi: Dmi) -> tuple[Line, ...]:
    return tuple(dict.fromkeys(line for key, line in dmi.lines.items() if key.startswith("bios_")))


def _pve(version: PveVersion | Missing) -> str | Missing:
    if isinstance(version, Missing):
        return version
    return version.packages.get("pve-manager") or Missing("pveversion.txt", "does not name pve-manager")


def _of_manager(version: PveVersion) -> tuple[Line, ...]:
    return tuple(line for name, line in version.lines.items() if name == "pve-manager")


def _options(cmdline: Cmdline | Missing) -> tuple[str, ...] | Missing:
    if isinstance(cmdline, Missing):
        return cmdline
    return tuple(str(token) for token in cmdline.tokens if token.name not in _ELSEWHERE)


def _microcode(sources: Sources, log: KernelLog | Missing) -> tuple[str, Line] | Missing:
    for line in sources.roles.get("cpuinfo.txt", ()):
        found = _MICROCODE.match(line.text)
        if found is not None:
            return f"{int(found[1], 16):#x}", line
    hit = None if isinstance(log, Missing) else log.first(_MICROCODE_LOGGED)
    if hit is None:
        return Missing("cpuinfo.txt", "the microcode's revision is not told")
    return f"{int(hit[0][1] or hit[0][2], 16):#x}", hit[1]


def _rmrr(log: KernelLog | Missing) -> list[tuple[Span, Line]] | Missing:
    """Return what the firmware reserves; that there is none is known only where the table was read in a whole log."""
    if isinstance(log, Missing):
        return log
    found = [(Span(int(match[1], 16), int(match[2], 16)), line) for match, line in log.find(_RMRR)]
    if log.whole and (found or log.first(_TABLE_READ)):
        return found
    return Missing("dmesg.txt", "the kernel log does not show how the firmware's table was read")

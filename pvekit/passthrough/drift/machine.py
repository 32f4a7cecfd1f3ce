"""Firmware, processor, kernel and its options: what drifted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pvekit.model.missing import Missing
from pvekit.passthrough.baseline import Baseline
from pvekit.passthrough.drift.kinds import Drift, Severity

_OF_PASSTHROUGH = (
    "intel_iommu", "amd_iommu", "iommu", "intremap", "nointremap", "vfio", "pcie_acs_override", "pci", "pcie_aspm",
    "pcie_port_pm", "video", "initcall_blacklist", "nomodeset", "modprobe.blacklist", "module_blacklist", "rd.driver",
    "acpi", "noapic", "nolapic", "kvm", "hugepages", "default_hugepagesz", "hugepagesz",
)  # fmt: skip

_VERSIONS = (
    ("kernel", "kernel", "A new kernel can group and drive devices otherwise. What it changed is listed here as well."),
    ("pve", "Proxmox VE", "Packages were updated."),
    ("microcode", "microcode of the processor", "The firmware or a package brought another one."),
)


def machine(before: Baseline, now: Baseline) -> Iterator[Drift]:
    """Yield what drifted."""
    yield from _firmware(before, now)
    yield from _tables(before, now)
    yield from _iommu(before, now)
    for kind, what, meaning in _VERSIONS:
        old, new = getattr(before, kind), getattr(now, kind)
        if _differ(old, new):
            yield Drift(kind, what, old, new, meaning, Severity.HARMLESS, evidence=now.at(kind))
    yield from _options(before, now)


def _differ(old: object, new: object) -> bool:
    return not isinstance(old, Missing) and not isinstance(new, Missing) and old != new


def same_firmware(before: Baseline, now: Baseline) -> bool | None:
    """Return whether the firmware is of the same version; None when that is not known."""
    pairs = [
        (old, new)
        for old, new in ((before.bios_version, now.bios_version), (before.bios_date, now.bios_date))
        if not isinstance(old, Missing) and not isinstance(new, Missing)
    ]
    return None if not pairs else all(old == new for old, new in pairs)


def _firmware(before: Baseline, now: Baseline) -> Iterator[Drift]:
    names = ("bios_vendor", "bios_version", "bios_date")
    pairs = [(getattr(before, name), getattr(now, name)) for name in names]
    known = [(old, new) for old, new in pairs if not isinstance(old, Missing) and not isinstance(new, Missing)]
    if any(old != new for old, new in known):
        yield Drift(
            "firmware",
            "firmware",
            " ".join(old for old, _ in known),
            " ".join(new for _, new in known),
            "An update of the firmware can put its settings back to what they were in the factory: VT-d or AMD-Vi, "
            "Above 4G decoding, which card shows the boot screen.",
            Severity.LOOK,
            "Look at what else drifted. Set in the firmware setup what was lost, then accept the new state.",
            now.at("firmware"),
        )


def _tables(before: Baseline, now: Baseline) -> Iterator[Drift]:
    if not _differ(before.tables, now.tables):
        return
    lost = not now.tables
    yield Drift(
        "tables",
        "the firmware's table of the IOMMU",
        str(before.tables or "none"),
        str(now.tables or "none"),
        "The firmware describes no IOMMU any more: VT-d or AMD-Vi is switched off. No device can be passed through."
        if lost
        else "The firmware describes an IOMMU now.",
        Severity.BREAKS if lost else Severity.HARMLESS,
        "Switch on VT-d or AMD-Vi in the firmware setup, then switch the machine off and on again." if lost else "",
        now.at("tables"),
    )


def _iommu(before: Baseline, now: Baseline) -> Iterator[Drift]:
    old, new = before.iommu, now.iommu
    if isinstance(old, Missing) or isinstance(new, Missing) or old == new:
        return
    meaning, severity = "The kernel uses other IOMMUs than before.", Severity.LOOK
    if not new:
        meaning, severity = "The kernel uses no IOMMU any more: no device can be passed through.", Severity.BREAKS
    elif not old:
        meaning, severity = "The kernel uses an IOMMU now.", Severity.HARMLESS
    hint = "pvekit passthrough diagnose names the cause." if severity is Severity.BREAKS else ""
    was, is_now = (", ".join(names) or "none" for names in (old, new))
    yield Drift("iommu", "IOMMUs in use", was, is_now, meaning, severity, hint, now.at("iommu"))


def _options(before: Baseline, now: Baseline) -> Iterator[Drift]:
    old, new = before.cmdline, now.cmdline
    if isinstance(old, Missing) or isinstance(new, Missing):
        return
    lost, added = Counter(old) - Counter(new), Counter(new) - Counter(old)
    if not lost and not added:
        return
    ours = sorted(option for option in (*lost, *added) if option.startswith(_OF_PASSTHROUGH))
    yield Drift(
        "cmdline",
        "options of the kernel",
        " ".join(lost) or "without the new ones",
        " ".join(added) or "without the old ones",
        f"Passthrough depends on such options: {', '.join(ours)}." if ours else "None of them is about passthrough.",
        Severity.LOOK if ours else Severity.HARMLESS,
        "If nobody changed them: look whether the boot loader's file was replaced." if ours else "",
        now.at("cmdline"),
    )

"""Leftovers of guides that do nothing or do harm, with the words that could be taken out. Pure.

What a check has found already is only mapped to the place where it is written. Three leftovers have no check, because
they are the cause of nothing: ignore_msrs, video=efifb:off on kernels that do not use efifb, and vfio_virqfd.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.finding import Diagnosis, Finding, Verdict
from pvekit.model.missing import Missing
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.knowledge import SIMPLEDRM_PVE, VFIO_VIRQFD_GONE, kernel_key
from pvekit.passthrough.pattern import Pattern

KERNEL_FILES = ("default-grub.txt", "default-grub.d/", "kernel-cmdline.txt", "cmdline.txt")
_MODPROBE = ("modprobe.d/", "modprobe.d.txt")
_MODULES = ("modules.txt", "modules-load.d/")
VM_FILES = ("vm.conf", "vms/")
"""Roles of the files that hold the kernel's options, and of those of VMs."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One word that could go. ``finding`` is the check that says so; empty for those that have none.

    ``line`` is where it is written; its file is one of the bundle, of the role ``role``. ``token`` is the text to take
    out of that line. ``whole``: nothing else is on the line, which can go as it is. ``in_force``: only seen in the
    running kernel's command line, and not in a file that could be changed.
    """

    token: str
    line: Line
    why: str
    finding: str = ""
    whole: bool = False
    in_force: bool = False
    role: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    """``wanted`` tells whether this finding is about that leftover."""

    finding: str
    token: str
    roles: tuple[str, ...]
    why: str
    wanted: Callable[[Finding], bool]


def _note(finding: Finding) -> bool:
    return finding.verdict is Verdict.NOTE


def _says(text: str) -> Callable[[Finding], bool]:
    return lambda finding: text in finding.message


_RULES: tuple[_Rule, ...] = (
    _Rule("IR-01", r"allow_unsafe_interrupts=(?:1|[Yy])", _MODPROBE,
          "interrupts are remapped: this only lets guests raise interrupts of the host", _says("not needed")),
    _Rule("IR-01", r"vfio_iommu_type1\.allow_unsafe_interrupts=(?:1|[Yy])", KERNEL_FILES,
          "interrupts are remapped: this only lets guests raise interrupts of the host", _says("not needed")),
    _Rule("GR-03", r"pcie?_acs_override=[^\s\"']+", KERNEL_FILES, "this kernel does not know it",
          _says("has no effect")),
    _Rule("KC-05", r"amd_iommu=on\b", KERNEL_FILES, "AMD's IOMMU is on without it", _note),
    _Rule("KC-05", r"(?<![\w.])iommu=on\b", KERNEL_FILES, "iommu= knows no such value", _note),
    _Rule("KC-05", r"video=\w+:off,\w+:off[^\s\"']*", KERNEL_FILES, "one video= takes one driver", _note),
    _Rule("KC-05", r"(?<![\w.])intel_iommu=pt\b", KERNEL_FILES, "that is iommu=pt", _note),
    _Rule("KC-05", r"(?<![\w.])vfio[._-]pci(?:[_-]ids|\.id)=\S+?(?=[\s\"']|$)", KERNEL_FILES,
          "that is vfio-pci.ids=", _note),
    _Rule("KC-05", r"(?<![\w.])vfio\.pci\.ids=\S+?(?=[\s\"']|$)", KERNEL_FILES, "that is vfio-pci.ids=", _note),
    _Rule("KC-09", r"pcie_aspm=(?:off|force)|pcie_port_pm=off|pci=(?:noacpi|nocrs)(?:,(?:noacpi|nocrs))*", KERNEL_FILES,
          "not needed for passthrough", _note),
    _Rule("FB-05", r"initcall_blacklist=sysfb_init", KERNEL_FILES, "the card is not the boot display", _note),
    _Rule("RM-02", r",relax_rmrr\b", KERNEL_FILES, "nothing shows that it is needed", _note),
    _Rule("VM-17", r"-cpu\s+\S+", VM_FILES, "PVE writes the processor line itself", _note),
    _Rule("VM-18", r"-machine\s+kernel[_-]irqchip=split|,?kernel[_-]irqchip=split", VM_FILES,
          "it costs speed and helps nothing", _note),
    _Rule("VM-03", r",?hidden=(?:1|on|yes|true)\b", VM_FILES, "NVIDIA's drivers since 465 do not need it", _note),
    _Rule("VM-03", r",?kvm=off\b", VM_FILES, "NVIDIA's drivers since 465 do not need it", _note),
    _Rule("VM-02", r",?x-vga=(?:1|on|yes|true)\b", VM_FILES, "the card has no outputs", _says("without a display")),
)  # fmt: skip


def leftovers(facts: Facts, found: Diagnosis) -> tuple[Leftover, ...]:
    """Return what could be taken out, each word once."""
    sources = facts.get(Sources)
    if isinstance(sources, Missing):
        return ()
    kept: dict[tuple[str, int, str], Leftover] = {}
    for item in (*_of_findings(sources, found), *_unchecked(sources, facts)):
        kept.setdefault((item.line.file, item.line.number, item.token), item)
    return tuple(_written(kept.values()))


def _written(items: Iterable[Leftover]) -> list[Leftover]:
    """Leave out what was only seen in force where the file with it is there as well; order by file."""
    known = list(items)
    files = {item.token for item in known if not item.in_force}
    return sorted(
        (item for item in known if not item.in_force or item.token not in files),
        key=lambda item: (item.line.file, item.line.number, item.token),
    )


def _of_findings(sources: Sources, found: Diagnosis) -> Iterator[Leftover]:
    by_id = {finding.id: finding for finding in found.findings}
    for rule in _RULES:
        finding = by_id.get(rule.finding)
        if finding is not None and rule.wanted(finding):
            yield from _places(sources, rule.roles, rule.token, rule.why, rule.finding)


def _places(
    sources: Sources, roles: Iterable[str], token: str, why: str, finding: str = ""
) -> Iterator[Leftover]:  # fmt: skip
    pattern = Pattern(token)
    for role in roles:
        for line in sources.roles.get(role, ()):
            if line.text.lstrip().startswith("#"):
                continue
            for match in pattern.finditer(line.text):
                rest = (line.text[: match.start()] + line.text[match.end() :]).strip()
                alone = not rest or re.fullmatch(r"options\s+\w+|args:", rest) is not None
                yield Leftover(match.group(), line, why, finding, alone, role == "cmdline.txt", role)


def _unchecked(sources: Sources, facts: Facts) -> Iterator[Leftover]:
    kernel = facts.get(Kernel)
    if _no_msrs(facts):
        for token, roles in (
            (r"(?<=\s)ignore_msrs=(?:1|[Yy])", _MODPROBE),
            (r"kvm\.ignore_msrs=(?:1|[Yy])", KERNEL_FILES),
        ):
            yield from _places(sources, roles, token, "no guest asked for a processor register that KVM lacks")
    if isinstance(kernel, Missing):
        return
    if kernel.pve and kernel_key(kernel) >= SIMPLEDRM_PVE:
        why = f"{kernel.release} has no efifb: the boot screen is on simpledrm, which this does not touch"
        yield from _places(sources, KERNEL_FILES, r"video=efifb:off(?=[\s\"']|$)", why)
    if kernel.version[:2] >= VFIO_VIRQFD_GONE:
        why = "since Linux 6.2 it is a part of vfio and no module"
        yield from _places(sources, _MODULES, r"^\s*vfio_virqfd\b", why)


def _no_msrs(facts: Facts) -> bool:
    """Return whether ignore_msrs is seen to serve nothing: the whole log, no such line, and no Windows guest."""
    log, vms = facts.get(KernelLog), facts.get(VmConfigs)
    if isinstance(log, Missing) or not log.whole or isinstance(vms, Missing):
        return False
    if log.first(r"^kvm.*(?:ignored|unhandled) (?:rdmsr|wrmsr)") is not None:
        return False
    return not any(vm.values.get("ostype", "").startswith(("w", "win")) for vm in vms.vms)

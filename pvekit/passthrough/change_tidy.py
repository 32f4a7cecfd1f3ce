"""Lines in modprobe.d and /etc/modules that guides leave behind; taken out only when asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pvekit.model.finding import Diagnosis, Verdict
from pvekit.model.hostchange import FileChange
from pvekit.model.hostlook import HostLook
from pvekit.passthrough.knowledge import VFIO_VIRQFD_GONE, release_key

_UNSAFE = re.compile(r"\s*options\s+vfio_iommu_type1\s+allow_unsafe_interrupts=\S+\s*")
_MSRS = re.compile(r"\s*options\s+kvm\s+(?:(?:ignore_msrs|report_ignored_msrs)=\S+\s*)+")
_VIRQFD = re.compile(r"\s*vfio_virqfd\s*")


def files(diagnosis: Diagnosis, look: HostLook, *, taken: Iterable[str]) -> list[FileChange]:
    """Return the files without such lines; ``taken`` are files that change already."""
    found = []
    for path, before in sorted(look.files.items()):
        if path in taken or not path.startswith(("/etc/modprobe.d/", "/etc/modules")):
            continue
        whys: dict[str, None] = {}
        kept = []
        for line in before.split("\n"):
            why = _why(path, line, diagnosis, look)
            if why:
                whys[why] = None
            else:
                kept.append(line)
        if whys:
            risk = "a Windows guest can need ignore_msrs" if any("MSR" in why for why in whys) else ""
            found.append(FileChange(path, before, "\n".join(kept), "; ".join(whys), risk))
    return found


def _why(path: str, line: str, diagnosis: Diagnosis, look: HostLook) -> str:
    passed = {finding.id for finding in diagnosis.findings if finding.verdict is Verdict.PASS}
    if path.startswith("/etc/modprobe.d/"):
        if _UNSAFE.fullmatch(line) and "IR-01" in passed:
            return "IR-01 holds: interrupts are remapped, so allow_unsafe_interrupts only takes protection away"
        if _MSRS.fullmatch(line):
            return "KVM answers unknown MSRs quietly for every guest; passthrough does not need it"
        return ""
    gone = release_key(look.release)[:2] >= VFIO_VIRQFD_GONE
    return "this kernel has no module vfio_virqfd any more" if gone and _VIRQFD.fullmatch(line) else ""

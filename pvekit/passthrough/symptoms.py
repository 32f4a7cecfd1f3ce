"""Messages that say that something broke without saying what: each opens a question with several possible causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Finding, Verdict
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.aimed import is_target
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.logs import Log
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Symptom:
    """``pattern`` in one of these logs, and the ids of the checks that could be behind it, the likeliest first."""

    text: str
    pattern: Pattern
    logs: tuple[type[Log], ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """A symptom that was seen and that no failed check explains."""

    text: str
    candidates: tuple[str, ...]
    line: Line


def _symptom(text: str, pattern: str, logs: Sequence[type[Log]], *candidates: str) -> Symptom:
    return Symptom(text, Pattern(pattern), tuple(logs), candidates)


_HOST = (StartLog, KernelLog)
_NO_IOMMU = ("FW-01", "KC-01", "KC-03", "KC-02", "KC-06", "KC-04", "KC-05", "FW-13", "FW-14")
_ASLEEP = ("RS-03", "DB-12", "RS-05", "RS-01", "RS-04", "RS-02", "KC-09")
_GONE = ("RS-05", "RS-03", "DB-12", "RS-01", "FW-09", "RS-10", "NV-08")

SYMPTOMS: tuple[Symptom, ...] = (
    # Before QEMU: what PVE and libvirt refuse.
    _symptom("PVE says that there is no IOMMU", r"cannot prepare PCI pass-through, IOMMU not present|No IOMMU detected",
             (StartLog,), *_NO_IOMMU),
    _symptom("libvirt says that the host cannot pass devices through",
             r"host doesn't support passthrough of host PCI devices", (StartLog,), "DB-07", *_NO_IOMMU),
    _symptom("PVE could not give the device to vfio-pci",
             r"can't unbind/bind PCI group to VFIO|Cannot bind \S+ to vfio", (StartLog,),
             "DB-10", "FB-04", "DB-01", "DB-09", "KC-08", "DB-13", "GR-02"),
    _symptom("there is no module vfio-pci", r"Cannot find vfio-pci module", (StartLog,), "DB-07", "FW-11"),
    _symptom("libvirt could not reset the device", r"[Uu]nable to reset PCI device \S+", (StartLog,),
             "RS-13", "RS-06", "RS-01", "RS-02", "RS-05"),
    _symptom("libvirt says that another domain has the device", r"PCI device \S+ is in use by driver \S+, domain",
             (StartLog,), "VM-09", "DB-13"),
    # QEMU and the IOMMU group.
    _symptom("QEMU says that the group is not viable", r"group \d+ is not viable", _HOST,
             "GR-02", "GR-01", "GR-06", "GR-04", "GR-07", "DB-01"),
    _symptom("the device has no IOMMU group", r"no iommu_group found|Cannot open iommu_group", (StartLog,),
             "GR-05", *_NO_IOMMU),
    _symptom("the device may not be attached to an IOMMU domain",
             r"(?i)failed to set(?: ?up)? (?:(?:iommu for|group) )?container.*Operation not permitted", (StartLog,),
             "RM-01", "IR-01", "IR-02", "GR-01"),
    _symptom("the kernel offers QEMU no IOMMU", r"No available IOMMU models", (StartLog,), "DB-07", *_NO_IOMMU),
    _symptom("there is no node for the device's group below /dev/vfio",
             r"/dev/vfio/\d+'?: No such file or directory", (StartLog,), "DB-01", "DB-07", "DB-03", "DB-02", "DB-04"),
    _symptom("QEMU may not open /dev/vfio", r"/dev/vfio/\w+'?: (?:Permission denied|Operation not permitted)",
             (StartLog,), "DB-14"),
    _symptom("something else has the device's group open", r"/dev/vfio/\d+'?: Device or resource busy", (StartLog,),
             "DB-13", "VM-09"),
    _symptom("there is no /dev/vfio/vfio", r"/dev/vfio/vfio'?: No such file or directory", (StartLog,),
             "DB-07", "DB-14"),
    _symptom("QEMU did not get the device from its group", r"error getting device from group \d+", (StartLog,),
             "DB-01", "VM-20", "RS-03", "RS-05", "RS-04", "DB-12", "DB-13"),
    # Memory and resources at start.
    _symptom("the guest's memory could not be mapped for the device",
             r"VFIO_MAP_DMA failed: Cannot allocate memory|dma_map\s?\(.*= -12 \(Cannot allocate memory\)",
             (StartLog, KernelLog), "VM-05", "VM-04", "KC-08"),
    _symptom("the guest's memory lies where the IOMMU cannot reach",
             r"memory listener initialization failed.*= -22 \(Invalid argument\)", (StartLog,), "BA-04"),
    _symptom("the start took too long", r"(?:TASK ERROR: |start failed: ).*got timeout", (StartLog,),
             "VM-16", "RS-02", "RS-01", "RS-03", "RO-07"),
    _symptom("QEMU did not find the ROM file", r"failed to find romfile", (StartLog,), "RO-03", "RO-09"),
    _symptom("QEMU could not read the ROM file",
             r"(?i)failed to load romfile|romfile .* is empty|could not load (?:pci )?option rom", (StartLog,),
             "RO-09", "RO-03", "RO-04"),
    _symptom("QEMU could not read the card's own ROM",
             r"Cannot read device rom at|Device option ROM contents are probably invalid", (StartLog,),
             "RO-01", "FB-01", "FB-02", "FW-06", "FW-07", "RO-07", "DB-12"),
    _symptom("the card's line interrupt is shared with another device",
             r"signaling for interrupt INTX-\d+: .*Device or resource busy|irq \d+: nobody cared", _HOST, "IR-03"),
    # The card on the host.
    _symptom("vfio-pci could not reserve the card's memory", r"vfio-pci \S+: BAR \d+.*: can't reserve", (KernelLog,),
             "FB-01", "FB-02", "FB-03", "FB-04", "DB-01"),
    _symptom("QEMU cannot reach a part of the card's memory",
             r"vfio_region_(?:write|read)\(.*failed: Device or resource busy", (StartLog,),
             "FB-01", "FB-02", "FB-03", "FB-04", "DB-01"),
    _symptom("the card did not wake up",
             r"Unable to power on device, stuck in D3|"
             r"Unable to change power state from (?:D3hot|D3cold|unknown) to D0, device inaccessible|"
             r"Refused to change power state, currently in D3", _HOST, *_ASLEEP),
    _symptom("the card did not come back after a reset", r"not ready \d+ms after [\w ]+; giving up", _HOST,
             "RS-01", "RS-02", "RS-03", "RS-05", "DB-12", "RS-11", "RS-08"),
    _symptom("the link to the card could not be trained", r"broken device, retraining", (KernelLog,),
             "DB-12", "RS-03", "RS-05"),
    _symptom("the card does not answer any more", r"[Uu]nknown (?:PCI )?header type '?(?:0x|127|7f)", _HOST, *_GONE),
    _symptom("the card does not answer in the guest", r"unknown header type (?:0x)?7f", (GuestLog,), *_GONE),
    _symptom("the card was reset under the VM",
             r"vfio_bar_restore: reset recovery - restoring BARs|Unrecoverable error detected. Please collect", _HOST,
             "RS-10", "RS-05", "NV-08"),
    _symptom("the IOMMU blocked memory accesses of the device", r"DMAR: \[(?:DMA|INTR).*Request device", (KernelLog,),
             "RM-03", "RM-01", "IR-02", "KC-08"),
    # The driver in the guest.
    _symptom("the card fell off the bus", r"fallen off the bus", (GuestLog, KernelLog),
             "RS-05", "RS-03", "NV-08", "RS-10", "KC-09", "RS-01"),
    _symptom("a BAR of the card has no address in the guest", r"BAR\d is 0M @ 0x0", (GuestLog,),
             "BA-02", "BA-06", "BA-01", "FW-04"),
    _symptom("the guest has no room for the card's memory",
             r"BAR [0-5](?: \[mem size|: (?:no space for|failed to assign) \[mem)", (GuestLog,),
             "BA-02", "BA-06", "BA-03"),
    _symptom("another driver holds the card in the guest",
             r"NVRM: The NVIDIA probe routine was not called|NVRM: request_mem_region failed", (GuestLog,), "NV-04"),
    _symptom("NVIDIA's driver could not start the card", r"RmInitAdapter failed|rm_init_adapter failed", (GuestLog,),
             "NV-11", "NV-02", "NV-01", "NV-08", "BA-02", "RO-06", "RO-01", "RS-07", "RS-05", "VM-03", "IR-03",
             "NV-12"),
    _symptom("NVIDIA's driver started no card",
             r"NVRM: (?:No NVIDIA GPU found|None of the NVIDIA devices were initialized|No NVIDIA devices probed)",
             (GuestLog,), "NV-01", "NV-02", "NV-11", "NV-04", "BA-02", "RS-05"),
    _symptom("the guest's kernel did not take the driver",
             r"insert.*(?:nvidia|amdgpu).*(?:Key was rejected by service|Required key not available)", (GuestLog,),
             "VM-08"),
    _symptom("amdgpu found no ROM", r"amdgpu.*Unable to locate a BIOS ROM", (GuestLog,), "RO-06", "RO-01", "RO-04"),
    _symptom("amdgpu could not start the card",
             r"amdgpu.*(?:Fatal error during GPU init|hw_init of IP block <\w+> failed|PSP .*failed|atombios stuck)",
             (GuestLog,), "RS-01", "RS-05", "BA-03", "BA-02", "RO-06", "RO-01", "RS-08"),
    _symptom("nouveau could not start the card",
             r"nouveau .*(?:unknown chipset|unable to locate usable image|init failed)", (GuestLog,),
             "RS-05", "RO-06", "RO-01", "BA-02", "NV-01"),
    _symptom("Windows stopped the device (Code 43)",
             r"\bCode 43\b|(?i:error code 43\b)|has stopped this device because it has reported problems",
             (GuestLog, StartLog),
             "VM-03", "RO-06", "RO-01", "FB-01", "FB-02", "BA-03", "RS-07", "RS-01", "NV-06", "IR-03", "WIN-01"),
    _symptom("Windows has not enough room for the device (Code 12)",
             r"\bCode 12\b|(?i:error code 12\b)|cannot find enough free resources that it can use",
             (GuestLog, StartLog),
             "BA-02", "BA-03", "BA-06"),
)  # fmt: skip

_NO_CARD = (
    "NV-10", "NV-04", "VM-08", "NV-01", "NV-02", "NV-11", "NV-12", "NV-08", "BA-02", "RO-06", "RS-07", "RS-05", "VM-03",
)  # fmt: skip
_ADDRESS = Pattern(r"(?<![0-9a-f:.])(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7](?![0-9a-f.])")


def open_questions(facts: Facts, findings: Sequence[Finding]) -> list[Open]:
    """Return the symptoms that were seen and that nothing explains yet. Signs alone (LOW) explain nothing.

    Where the guest's driver works, what was said before is history.
    """
    driver = facts.get(GuestDriver)
    if not isinstance(driver, Missing) and driver.works:
        return []
    failed = {
        finding.id
        for finding in findings
        if finding.verdict is Verdict.FAIL and finding.confidence is not Confidence.LOW
    }
    target = facts.get(Target)
    return [question for question in _seen(facts, target) if not failed & set(question.candidates)]


def _seen(facts: Facts, target: Target | Missing) -> Iterator[Open]:
    for symptom in SYMPTOMS:
        for kind in symptom.logs:
            log = facts.get(kind)
            line = None if isinstance(log, Missing) else _first(log, symptom.pattern, target)
            if line is not None:
                yield Open(symptom.text, symptom.candidates, line)
                break
    driver = facts.get(GuestDriver)
    if not isinstance(driver, Missing) and driver.works is False:
        yield Open("nvidia-smi finds no card in the guest", _NO_CARD, driver.evidence[0])


def _first(log: Log, pattern: Pattern, target: Target | Missing) -> Line | None:
    """Return the first line that says it of the target. A guest has addresses of its own."""
    for found, line in log.find(pattern):
        if isinstance(log, GuestLog) or not _of_another(found.string, target):
            return line
    return None


def _of_another(text: str, target: Target | Missing) -> bool:
    """Tell whether a message names devices, and the target is none of them."""
    told = [is_target(Bdf.parse(found.group()), target) for found in _ADDRESS.finditer(text)]
    return bool(told) and all(item is False for item in told)

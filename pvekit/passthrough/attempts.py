"""Which lines of a log tell of the start of which VM. Pure.

The logs of several tasks are often one text. A task's id, QEMU's own ``-id``, a file's name or a device that only one
VM has tell whose they are; a log that leaves it open counts for a VM only where no other VM comes into question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.logs import Entry
from pvekit.passthrough.lspcitext import ADDRESS, address
from pvekit.passthrough.pattern import Pattern

_ID = r"([1-9]\d{2,8})"
_TASK = Pattern(rf"\bUPID:(?:[^:\s]+:){{4}}(?:qm|ha)\w+:{_ID}:")
_NAMED = Pattern(
    rf"(?:\bkvm|\bqemu-system-x86_64)\b.*? -id {_ID}\b|\bstart VM {_ID}: |^VM {_ID} (?:already|not) running"
    rf"|unable to find configuration file for VM {_ID}\b|Requesting HA start for VM {_ID}\b"
    rf"|/qemu-server/(?:lock-)?{_ID}\.|(?<![\w-]){_ID}\.scope\b"
)
_FILE = Pattern(rf"\bqm(?:re)?(?:start|boot)[:_]{_ID}\b|(?:^|[/_.-])vm[-_]?{_ID}(?=[/_.-])")
_END = Pattern(r"\bTASK (?:OK|WARNINGS: \d+|ERROR: )|\bend task UPID:")
_QEMU = Pattern(r"^QEMU\[(\d+)\]: ")
_DEVICE = Pattern(rf"(?<![\w.:])({ADDRESS})(?![\w.])")


@dataclass
class _Attempt:
    """Lines that belong together; ``vmid`` is whose they are as far as they tell it themselves."""

    vmid: int | None = None
    process: str = ""
    ended: bool = False
    entries: list[Entry] = field(default_factory=list)


def of_vm(vmid: int, found: Iterable[Entry], vms: VmConfigs | Missing) -> tuple[Entry, ...]:
    """Return the lines that tell of this VM."""
    attempts = list(_attempts(found))
    for attempt in attempts:
        if attempt.vmid is None:
            attempt.vmid = _owner(attempt, vms)
    known = {attempt.vmid for attempt in attempts}
    if not isinstance(vms, Missing):
        known |= {vm.vmid for vm in vms.vms if vm.hostpci}
    alone = not known - {None, vmid}
    return tuple(
        entry for attempt in attempts if attempt.vmid == vmid or (alone and attempt.vmid is None)
        for entry in attempt.entries
    )  # fmt: skip


def _attempts(found: Iterable[Entry]) -> Iterator[_Attempt]:
    now = _Attempt()
    for entry in found:
        task, qemu = _number(_TASK, entry.text), _QEMU.match(entry.text)
        said = task or _number(_NAMED, entry.text) or _number(_FILE, entry.line.file)
        process = qemu[1] if qemu else ""
        other = said is not None and now.vmid is not None and said != now.vmid
        begins = task is not None and now.vmid is None and bool(now.entries)
        if now.entries and (now.ended or other or begins or process != now.process or _file(now) != entry.line.file):
            yield now
            now = _Attempt(process=process)
        now.process = process
        now.entries.append(entry)
        now.vmid = now.vmid or said
        now.ended = _END.search(entry.text) is not None
    if now.entries:
        yield now


def _file(attempt: _Attempt) -> str:
    line: Line = attempt.entries[0].line
    return line.file


def _number(pattern: Pattern, text: str) -> int | None:
    found = pattern.search(text)
    return None if found is None else next((int(part) for part in found.groups() if part), None)


def _owner(attempt: _Attempt, vms: VmConfigs | Missing) -> int | None:
    """Return the one VM that gets the devices which the lines name."""
    if isinstance(vms, Missing):
        return None
    named = {bdf for entry in attempt.entries for found in _DEVICE.finditer(entry.text) if (bdf := address(found[1]))}
    owners = {vm.vmid for vm in vms.vms for entry in vm.hostpci for bdf in named if entry.covers(bdf)}
    return owners.pop() if len(owners) == 1 else None

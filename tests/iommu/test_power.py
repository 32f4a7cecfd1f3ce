"""The power goes at each step of apply on a host with an IOMMU: it always starts again, and is finished or put back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.data import data_dir
from tests.conftest import Figure
from tests.iommu.command import command, pvekit, way
from tests.iommu.files import differing, picture
from tests.iommu.host import Host
from tests.iommu.machine import AUDIO, GPU

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(
        "PVEKIT_IOMMU_HOST" not in os.environ,
        reason="a power cut at each step takes half an hour without KVM: set PVEKIT_IOMMU_HOST=1",
    ),
]
HOME = "/var/lib/pvekit/passthrough"
STOPPER = Path(__file__).parent / "data/stopper.py"


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment: before a file gets its name, before the journal is written, or seconds into a command."""

    kind: str
    which: str
    seconds: float = 0.0
    forward: bool = False
    """Then apply goes on; else it is taken back."""


def test_a_power_cut_at_each_step(host: Host, tmp_path: Path, figure: Figure) -> None:
    host.start()
    before = picture(host)
    evidence, plan = tmp_path / "bundle.tar.gz", tmp_path / "changes.json"
    command("passthrough", "collect", host.name(), "-o", str(evidence), *way(host))
    host.put(f"{HOME}/program.py", (data_dir("templates") / "host/passthrough.py").read_text())
    host.put(f"{HOME}/stopper.py", STOPPER.read_text())
    planned(host, evidence, plan)
    moments = list(cuts(json.loads(plan.read_text())["ops"]))
    wrong = []
    for number, cut in enumerate(moments):
        if number < int(os.environ.get("PVEKIT_IOMMU_FIRST_CUT", "0")):
            continue  # a run that was stopped goes on there
        changes = planned(host, evidence, plan)
        where = f"{number}. {cut}"
        which = f"{HOME}/{changes['folder']}" if cut.which == "JOURNAL" else cut.which
        missed = host.until(f"python3 {HOME}/stopper.py {HOME}/program.py {cut.kind} '{which}' {cut.seconds}",
                           json.dumps(changes), "NOW")  # fmt: skip
        assert not missed, f"{where}: it never came to that: {missed}"
        host.power_cut()
        seconds = host.start()
        state = pvekit("passthrough", "status", host.name(), *way(host))
        figure(f"{cut.kind} {which} {cut.seconds or ''}: start {seconds:.0f} s, {state.out.splitlines()[0]}")
        if cut.forward:
            done = pvekit("passthrough", "apply", host.name(), "--device", GPU, "--yes", *way(host))
            assert done.code == 0, f"{where}: {done.err}"
            host.reboot()
            drivers = [host.driver(GPU), host.driver(AUDIO)]
            if set(drivers) != {"vfio-pci"}:
                wrong.append(f"{where}: not bound after apply, but {drivers}:\n{done.out}")
        back = pvekit("passthrough", "rollback", host.name(), "--yes", *way(host))
        assert back.code == 0, f"{where}: {back.err}"
        if left := differing(before, picture(host)):
            wrong.append(f"{where}: not as before: {left}")
        if cut.forward:
            host.reboot()  # the next one begins as this one did
    assert differing(before, picture(host)) == []
    figure(f"{len(moments)} power cuts")
    assert not wrong, "\n".join(wrong)


def planned(host: Host, evidence: Path, plan: Path) -> dict[str, Any]:
    """Return the change set as the host is now."""
    said = pvekit("passthrough", "plan", host.name(), "--device", GPU, "--evidence", str(evidence), "--out", str(plan),
                  *way(host))  # fmt: skip
    assert said.code == 2, said
    made: dict[str, Any] = json.loads(plan.read_text())
    return made


def cuts(ops: list[dict[str, Any]]) -> Iterator[Cut]:
    """Yield the moments of a change set."""
    yield Cut("rename", "JOURNAL")
    yield Cut("note", "phase:applying")
    for number, op in enumerate(ops):
        if op["kind"] == "file":
            yield Cut("rename", op["path"])
            continue
        slow = op["argv"][0] == "update-initramfs"
        yield Cut("note", f"{number}:begun")
        for seconds in (10, 30) if slow else (3,):
            yield Cut("command", op["argv"][0], seconds, forward=not slow)
        yield Cut("note", f"{number}:done", forward=slow)
    yield Cut("note", "phase:applied", forward=True)

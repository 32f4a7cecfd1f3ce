"""Cold `pvekit up` of 8 VMs, against the longest chain of tasks that need each other.

    python -m benchmarks.apply [--vms 8]

The node is real (HTTPS, tasks, locks), its machines are hollow: every kind of task takes a known time, guests are
silent for a known time after their start, and SSH and the playbook are stand-ins that take a known time. So the
longest chain is known: it is the sum of those times, and what is above it is pvekit's own doing (polling, requests,
scheduling).
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from benchmarks.node import node
from pvekit.adapters.ansible import ProvisionResult
from pvekit.workflows.planning import make_plan
from pvekit.workflows.session import open_session
from pvekit.workflows.up import carry_out

DELAYS = {"imgcopy": 1.0, "qmcreate": 4.0, "resize": 1.0, "qmstart": 2.0, "imgdel": 0.5}
BOOT, PLAYBOOK = 10.0, 6.0
GOAL = 1.15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=8)
    count = parser.parse_args().vms
    delays = ",".join(f"{name}={seconds:g}" for name, seconds in DELAYS.items())
    chain = sum(DELAYS.values()) + BOOT + PLAYBOOK
    with node("--delay", delays, "--boot-seconds", str(BOOT), "--cpus", "64") as place, stand_ins():
        stack = place.stack("".join(f"  vm{index}: {{}}\n" for index in range(count)))
        with open_session(stack) as session:
            planned = make_plan(session)
            begin = time.perf_counter()
            report = carry_out(session, planned, lambda _event: None)
            wall = time.perf_counter() - begin
    if report.error is not None or report.left is None or not report.left.empty:
        raise SystemExit(f"the run did not end well: {report.error}")
    print(f"{count} VMs: wall {wall:.2f} s, longest chain {chain:.2f} s, ratio {wall / chain:.3f} (goal {GOAL})")
    print(
        "chain: "
        + " + ".join(
            f"{name} {seconds:g}" for name, seconds in [*DELAYS.items(), ("boot", BOOT), ("playbook", PLAYBOOK)]
        )
    )


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Put stand-ins at the doors to SSH and Ansible: hollow guests have neither."""

    def no_ssh(*_: Any, **__: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def play(*_: Any, **__: Any) -> ProvisionResult:
        time.sleep(PLAYBOOK)
        return ProvisionResult((), {})

    with patch("pvekit.provision.apply.ready.wait_ssh", no_ssh), patch("pvekit.adapters.ansible.run", play):
        yield


if __name__ == "__main__":
    main()

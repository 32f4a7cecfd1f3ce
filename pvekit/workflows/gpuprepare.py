"""Carries out what nodes need before VMs get their cards: the change set, the restart, the second look."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.errors import (
    HostUnreachable,
    Interrupted,
    PreflightRefused,
    PvekitError,
    RebootNeeded,
)
from pvekit.model.event import Emit, Event, Kind
from pvekit.model.finding import Overall
from pvekit.provision.apply.job import Job
from pvekit.provision.apply.power import running
from pvekit.provision.gpuhost import NodeWork, Note, Refused, Todo, decide
from pvekit.workflows import gpuhost, gpurecord
from pvekit.workflows.gpuhost import HostWork, look_at, no_restart, see
from pvekit.workflows.rootstep import ssh_of
from pvekit.workflows.session import Session

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import NodeDoor
    from pvekit.workflows.collect import Host

_API_SECONDS = 900.0
_PAUSE = 2.0


class Preparer:
    """Does the work of a plan's nodes. Part of a job."""

    def __init__(self, session: Session, work: HostWork) -> None:
        """Keep them; nothing is sent."""
        self._session = session
        self._work = work

    def __call__(self, job: Job, node: str, context: Context) -> None:
        """Change one node, and restart it where that is allowed. Raises RebootNeeded where it is not."""
        from pvekit.workflows import repair

        work, host = self._work.nodes[node], self._host(node)
        if work.resume:
            gpurecord.remember(job.stack, node, work.resume)
            _, _, words = repair.resume(host, root=gpuhost.TREE)
            for line in words.splitlines():
                context.log(line)
        for made in self._work.repairs.get(node, ()):
            gpurecord.remember(job.stack, node, made.changes.folder)
            repair.apply(host, made, root=gpuhost.TREE, emit=_telling(context))
            context.log(f"done: {made.changes.folder}. The way back: pvekit passthrough rollback {self._words(node)}")
        if not self._work.reboot:
            waiting = " and ".join(work.vms)
            cards = "its card" if len(work.vms) == 1 else "their cards"
            raise RebootNeeded(
                f"node {node} has to be restarted before {waiting} can get {cards}",
                hint="Restart it, then run pvekit up again: it goes on from there (or pvekit up --reboot-nodes).",
            )
        self._restart(job, work, context)

    def _host(self, node: str) -> Host:
        from pvekit.workflows.collect import Host

        return Host(node, stack=Path(self._session.stack.file))

    def _words(self, node: str) -> str:
        return f"{node} -s {quote(self._session.stack.file)}"

    def _door(self, node: str) -> NodeDoor:
        from pvekit.adapters.nodessh import Nodes

        settings = ssh_of(self._session)
        assert settings is not None  # noqa: S101 - there is no work without it
        return Nodes(settings).door(node)

    def _restart(self, job: Job, work: NodeWork, context: Context) -> None:
        """Restart a node, wait until it works again, start what ran there, and judge it again."""
        from pvekit.workflows import repair

        node = work.node
        with closing(self._door(node)) as door:
            rows = tuple(row for row in job.facts.rows if row.node == node)
            reasons = no_restart(door, job.stack, rows)
        if reasons:
            raise PreflightRefused(reasons, hint="Restart it by hand, then run pvekit up again.")
        ran = [name for name, own in job.facts.own.items() if own.row.node == node and own.row.running]
        if context.cancelled():
            raise Interrupted("stopped on request")
        context.log(f"restarting {node}")
        repair.restart(self._host(node), root=gpuhost.TREE, emit=_telling(context))
        _wait_online(job.pve, node, context)
        for name in ran:
            _start_again(job, name, context)
        self._judge_again(work, context)

    def _judge_again(self, work: NodeWork, context: Context) -> None:
        """Raise PreflightRefused when the node is not proven ready after all."""
        refused = []
        hint = f"To take it all back: pvekit passthrough rollback {self._words(work.node)}"
        with closing(self._door(work.node)) as door:
            evidence, look = look_at(door)
            for todo in work.todos:
                # Which IOMMU group Proxmox VE tells now, the mapping's own step asks.
                seen = see(door, evidence, look, replace(todo.use, grouped=True))
                said = decide(replace(seen, waits=False), configure=False, file=quote(self._session.stack.file))
                if isinstance(said, Note) and seen.diagnosis.verdict is not Overall.UNKNOWN:
                    context.log(said.text)
                elif isinstance(said, Refused):
                    refused.append(f"{work.node} is restarted, and still: {said.text}")
                else:
                    refused.append(f"{work.node} is restarted, and still not proven ready: {_text(said)}")
        if refused:
            raise PreflightRefused(refused, hint=f"{hint}. What is only not proven, pvekit up takes the next time.")


def _text(said: Note | Todo) -> str:
    return said.text if isinstance(said, Note) else said.why


def _telling(context: Context) -> Emit:
    """Return what makes lines of a step's log from a playbook's tasks."""

    def tell(event: Event) -> None:
        if event.kind in (Kind.DONE, Kind.FAIL):
            context.log(f"{event.step}: {event.text}".removesuffix(": "))

    return tell


def _wait_online(pve: api.Pve, node: str, context: Context) -> None:
    """Wait until the API answers and counts the node among those that are online. Raises HostUnreachable."""
    deadline, why = time.monotonic() + _API_SECONDS, "the cluster does not see it"
    while time.monotonic() < deadline:
        try:
            row = api.resources(pve).node(node)
            if row is not None and row.online:
                return
        except PvekitError as error:
            # While its services start, a node refuses connections, and then knows no users yet.
            why = error.message
        context.sleep(_PAUSE)
    raise HostUnreachable(
        f"{node} answers by SSH, but Proxmox VE does not within {_API_SECONDS:.0f} s: {why}",
        where=node, hint="Look at pve-cluster and pveproxy there (systemctl status). Then run pvekit up again.",
    )  # fmt: skip


def _start_again(job: Job, name: str, context: Context) -> None:
    """Start a VM that ran before the restart, unless the node has done that by itself."""
    live = job.live[name]
    if running(job, name):
        return
    try:
        job.task(name, context, lambda: api.start(job.pve, live.node, live.vmid), lambda: running(job, name))
        context.log(f"started {name} again")
    except PvekitError as error:
        context.log(f"{name} did not start again: {error.message}")

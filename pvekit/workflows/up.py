"""Plan, do, look again: the main job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvekit import engine
from pvekit.adapters import pve as api
from pvekit.adapters.data import data_dir
from pvekit.adapters.sshkeys import ensure_keypair
from pvekit.engine import Context, Fate, Outcome
from pvekit.model.errors import Interrupted, PvekitError
from pvekit.model.event import Emit
from pvekit.model.plan import Action, Plan, Verb
from pvekit.model.stack import LlamaModel
from pvekit.provision.apply.job import Job
from pvekit.provision.apply.steps import limits, steps, title
from pvekit.workflows.images import StackImages
from pvekit.workflows.places import key_path, known_hosts, screens
from pvekit.workflows.planning import Planned, check_root_steps, make_plan
from pvekit.workflows.rootstep import doors_for, root_of
from pvekit.workflows.session import Session


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a VM is reached."""

    vm: str
    vmid: int
    node: str
    address: str
    user: str


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. ``left`` is what a second plan still finds (empty when all is as desired)."""

    outcomes: tuple[Outcome, ...]
    reached: tuple[Reach, ...]
    left: Plan | None

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Return the steps that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.fate is Fate.FAILED)

    @property
    def cancelled(self) -> bool:
        """Return whether the person stopped the run."""
        return any(outcome.fate is Fate.CANCELLED for outcome in self.outcomes)

    @property
    def error(self) -> PvekitError | None:
        """Return the first failure, which gives the exit code; Interrupted after Ctrl-C; None when all went well."""
        if self.failed:
            return self.failed[0].error
        return Interrupted("stopped") if self.cancelled else None


def carry_out(
    session: Session,
    planned: Planned,
    emit: Emit,
    *,
    only: Collection[str] = (),
    stop: threading.Event | None = None,
) -> Report:
    """Carry a plan out, then read everything again and plan once more.

    Once ``stop`` is set nothing new is begun, and what runs is brought to a clean end.
    """
    stop = stop or threading.Event()
    check_root_steps(session, planned.plan)
    door = session.as_root() if planned.plan.root_steps else nullcontext(session.pve)
    with door as pve, api.TaskPoller(pve) as poller, doors_for(session, planned.root) as nodes:
        job = _job(session, pve, planned, poller, emit, stop)
        job.root = root_of(nodes, planned.root)
        job.gpus = planned.cards
        job.gpuhost = _preparer(session, planned)
        outcomes = engine.run(steps(job, planned.plan), limits=limits(job, session.parallel), emit=emit, stop=stop)
    report = Report(outcomes, _reached(job, outcomes), None)
    if report.error is not None:
        return report
    return Report(outcomes, report.reached, make_plan(session, only=only).plan)


def _job(
    session: Session, pve: api.Pve, planned: Planned, poller: api.TaskPoller, emit: Emit, stop: threading.Event
) -> Job:
    # Runs without changes start faster without it.
    from pvekit.workflows.media import StackMedia

    key = key_path()
    hosts = known_hosts(session.stack.name)
    hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Job(
        stack=session.stack.name,
        pve=pve,
        poller=poller,
        vms={vm.name: vm for vm in planned.vms},
        facts=planned.facts,
        images=StackImages(session.stack, session.folder),
        media=StackMedia(session.stack),
        models=_models,
        secret=session.secret,
        playbook=_playbook,
        key_path=key,
        public_key=ensure_keypair(key),
        known_hosts=hosts,
        screens=screens(session.stack.name),
        emit=emit,
        stop=stop,
    )


def _models(model: LlamaModel, log: Callable[[str], None]) -> Mapping[str, Any]:
    from pvekit.workflows.llama_models import local_file

    return local_file(model, log)


def _preparer(session: Session, planned: Planned) -> Callable[[Job, str, Context], None] | None:
    if not planned.hosts:
        return None
    from pvekit.workflows.gpuprepare import Preparer

    return Preparer(session, planned.hosts)


def _playbook(name: str) -> Path:
    """Return a playbook: ours by its bare name, the stack's own by the absolute path that the loader gave it."""
    path = Path(name)
    return path if path.is_absolute() else data_dir("playbooks") / name


def _reached(job: Job, outcomes: Collection[Outcome]) -> tuple[Reach, ...]:
    """Return the VMs that are known to answer: their address was learned, and the wait for them did not fail."""
    users: Mapping[str, str] = {name: vm.user for name, vm in job.vms.items()}
    waiting = title(Action("", Verb.AWAIT, ""))
    silent = {o.step.vm for o in outcomes if o.step.title == waiting and o.fate is not Fate.DONE}
    return tuple(
        Reach(name, live.vmid, live.node, live.address, users[name])
        for name, live in job.live.items()
        if live.address and name in users and name not in silent
    )

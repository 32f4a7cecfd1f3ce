"""Turns a plan into steps for the engine: which function does a verb, and what it shares with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pvekit.engine import Context, Step
from pvekit.model.plan import Action, Plan, Verb
from pvekit.model.stack import Parallel
from pvekit.provision.apply import configure, create, images, install, mapping, power, prove, provision, ready, seed
from pvekit.provision.apply.job import Job
from pvekit.provision.rootstep.apply import root


def _gpuhost(job: Job, action: Action, context: Context) -> None:
    assert job.gpuhost is not None  # noqa: S101 - a plan has such actions only with somebody to do them
    job.gpuhost(job, action.id.partition(":")[2], context)


_DO: Mapping[Verb, Callable[[Job, Action, Context], None]] = {
    Verb.HOSTGPU: _gpuhost,
    Verb.MAPPING: mapping.mapping,
    Verb.IMAGE: images.image,
    Verb.SEED: seed.seed,
    Verb.CREATE: create.create,
    Verb.CONFIGURE: configure.configure,
    Verb.RESIZE: configure.resize,
    Verb.ROOT: root,
    Verb.INSTALL: install.install,
    Verb.START: power.start,
    Verb.RESTART: power.restart,
    Verb.STOP: power.stop,
    Verb.AWAIT: ready.ready,
    Verb.SETTLE: seed.settle,
    Verb.UNSEED: seed.unseed,
    Verb.PROVISION: provision.provision,
    Verb.VERIFY: provision.verify,
    Verb.PROVE: prove.prove,
}
_TITLE = {
    Verb.IMAGE: "image",
    Verb.SEED: "upload seed",
    Verb.CREATE: "create",
    Verb.CONFIGURE: "configure",
    Verb.RESIZE: "grow disk",
    Verb.ROOT: "root",
    Verb.INSTALL: "install",
    Verb.START: "start",
    Verb.RESTART: "restart",
    Verb.STOP: "stop",
    Verb.AWAIT: "wait for the guest",
    Verb.SETTLE: "detach seed",
    Verb.UNSEED: "delete seed",
    Verb.PROVISION: "provision",
    Verb.VERIFY: "verify",
    Verb.PROVE: "look for the cards in the guest",
}


def steps(job: Job, plan: Plan) -> list[Step]:
    """Return one step per action."""
    return [
        Step(action.id, action.vm, title(action), _runner(job, action), action.needs, _limits(job, action))
        for action in plan.actions
    ]


def title(action: Action) -> str:
    """Return what a step is called in the progress view."""
    if action.verb is Verb.IMAGE:
        return f"image {action.id.split(':')[1]}"
    if action.verb is Verb.ROOT:
        _, node, _, name = action.id.split(":", 3)
        return f"root: {name} on {node}"
    if action.verb is Verb.MAPPING:
        return f"resource mapping {action.id.partition(':')[2]}"
    if action.verb is Verb.HOSTGPU:
        return f"make {action.id.partition(':')[2]} ready for its cards"
    return _TITLE[action.verb]


def _runner(job: Job, action: Action) -> Callable[[Context], None]:
    return lambda context: _DO[action.verb](job, action, context)


def _limits(job: Job, action: Action) -> tuple[str, ...]:
    if action.verb in (Verb.ROOT, Verb.HOSTGPU):
        return (f"root:{action.id.split(':')[1]}",)
    if action.verb is Verb.MAPPING:
        # All mappings are in one file of the cluster, with one digest.
        return ("mappings",)
    vm = job.vms.get(action.vm)
    if action.verb is Verb.CREATE and vm is not None:
        places = {f"storage:{disk.storage}" for disk in vm.disks}
        return (f"node:{vm.node}", *sorted(places))
    if action.verb in (Verb.START, Verb.RESTART, Verb.STOP, Verb.CONFIGURE, Verb.RESIZE) and vm is not None:
        return (f"node:{vm.node}",)
    if action.verb in (Verb.AWAIT, Verb.INSTALL) and vm is not None:
        return (f"boot:{vm.node}",)
    return ()


def limits(job: Job, parallel: Parallel) -> dict[str, int]:
    """Return how many steps may share a storage, a node, and a node's threads while guests boot."""
    found = {f"storage:{name}": parallel.storage for vm in job.vms.values() for name in {d.storage for d in vm.disks}}
    found["mappings"] = 1
    for node in {vm.node for vm in job.vms.values()}:
        facts = job.facts.nodes.get(node)
        found[f"node:{node}"] = parallel.node
        found[f"root:{node}"] = 1
        found[f"boot:{node}"] = parallel.boot or max(2, facts.threads if facts else 2)
    return found

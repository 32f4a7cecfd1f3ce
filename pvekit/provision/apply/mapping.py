"""Makes, changes and removes the resource mappings of cards. Never one that pvekit did not make."""

from __future__ import annotations

from dataclasses import replace

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.errors import Conflict, PreflightRefused
from pvekit.model.pcimap import by_node, is_ours, same
from pvekit.model.plan import Action
from pvekit.provision.apply.job import Job
from pvekit.provision.gpumaps import MapTodo
from pvekit.provision.gpus import NO_GROUP, resolve

_TRIES = 4


def mapping(job: Job, action: Action, context: Context) -> None:
    """Write one mapping. Raises Conflict when it is not as the plan saw it, PreflightRefused for a lost card."""
    do = job.gpus.todo[action.id]
    if do.after:
        do = _seen(job, do, context)
    for attempt in range(1, _TRIES + 1):
        row = next((row for row in api.pci_mappings(job.pve) if row.id == do.name), None)
        if row is not None and not is_ours(job.stack, row.description):
            raise Conflict(
                f"the PCI mapping {do.name} is not pvekit's; it is left alone",
                status=0,
                where="Datacenter, Resource Mappings",
                hint="Rename the card in the stack file, or remove the mapping.",
            )
        now = by_node(row.entries) if row is not None else None
        if _is(now, do.after or None):
            context.log("is so already")
            return
        if not _is(now, do.before):
            raise Conflict(
                f"the PCI mapping {do.name} was changed after the plan was made",
                status=0,
                where="Datacenter, Resource Mappings",
                hint="Run the same command again.",
            )
        try:
            _write(job, do, row)
        except Conflict as error:
            # The digest is that of all mappings: another one may have been written meanwhile.
            if api.cause(error) is not api.Cause.STALE or attempt == _TRIES:
                raise
            continue
        for node, entry in sorted(do.after.items()):
            context.log(f"{node}: {entry}")
        return


def _write(job: Job, do: MapTodo, row: api.PciMapping | None) -> None:
    entries = [entry for _node, entry in sorted(do.after.items())]

    def put() -> None:
        if not entries:
            api.delete_mapping(job.pve, do.name)
        elif row is None:
            api.create_mapping(job.pve, do.name, entries, do.description)
        else:
            api.change_mapping(job.pve, do.name, entries, do.description, row.digest)

    def done() -> bool:
        now = next((found for found in api.pci_mappings(job.pve) if found.id == do.name), None)
        return _is(by_node(now.entries) if now is not None else None, do.after or None)

    api.settle(put, done, sleep=job.sleep)


def _is(now: dict[str, str] | None, wanted: object) -> bool:
    if now is None or wanted is None:
        return now is wanted
    assert isinstance(wanted, dict)  # noqa: S101 - entries by node
    return now.keys() == wanted.keys() and all(same(entry, wanted[node]) for node, entry in now.items())


def _seen(job: Job, do: MapTodo, context: Context) -> MapTodo:
    """Return what to write, with the nodes looked at again that had no IOMMU when the plan was made."""
    after = dict(do.after)
    for node in sorted(do.unseen):
        found = resolve(do.gpu, {node: api.pci_devices(job.pve, node)}, {node: job.gpus.slots.get(node, {})})
        card = found.cards.get(node)
        if card is None:
            raise PreflightRefused([f"{do.gpu.name}: {found.problems[node]}"])
        if card.group == NO_GROUP:
            raise PreflightRefused(
                [f"{do.gpu.name}: {card.first.address} on {node} is in no IOMMU group still"],
                hint=f"See what holds it up: pvekit passthrough diagnose {node}",
            )
        after[node] = card.entry
        context.log(f"{node}: {card.path} is in IOMMU group {card.group}")
    return replace(do, after=after)

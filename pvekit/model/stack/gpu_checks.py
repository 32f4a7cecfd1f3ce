"""Mistakes about cards that show only when several fields are seen together."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.errors import Problem
from pvekit.model.stack import gpu_shape, shape
from pvekit.model.stack.fields import Fields
from pvekit.model.stack.problems import nearest
from pvekit.model.stack.text import Document, Path

Found = Iterator[Problem]


def check(stack: shape.StackShape, document: Document) -> Found:
    """Yield every mistake."""
    for name, gpu in stack.gpus.items():
        yield from _match(name, gpu, document, stack)
    holders: dict[str, list[str]] = {}
    for name, vm in stack.vms.items():
        fields = Fields(name, vm, stack.defaults)
        for at, card in enumerate(vm.gpus or ()):
            path: Path = ("vms", name, "gpus", at)
            yield from _known(card, path, fields, document, stack)
            yield from _shared(card, path, holders, document, stack)
        yield from _primaries(vm, ("vms", name, "gpus"), document)
        yield from _apart(vm, ("vms", name, "gpus"), document, stack)
        if vm.gpus:
            yield from _hardware(fields, document)


def _match(name: str, gpu: gpu_shape.GpuShape, document: Document, stack: shape.StackShape) -> Found:
    path: Path = ("gpus", name, "match")
    keys = tuple(gpu_shape.GpuMatchShape.model_fields)
    if all(getattr(gpu.match, key) is None for key in keys) and not document.was_cut(*((*path, key) for key in keys)):
        yield document.problem(path, "nothing says which card is meant", f"Write one or more of {', '.join(keys)}.")
    host = stack.host
    if gpu.match.slot is not None and (host is None or host.ssh is None) and not document.was_cut(("host", "ssh")):
        text = "the number of a slot can be looked up by SSH only"
        hint = "Write id: or address:, or add host: {ssh: {nodes: {NODE: {address: …, host_key: …}}}}."
        if host is None:
            text, hint = "the embedded node knows no slots", "Write id: or address: instead."
        yield document.problem((*path, "slot"), text, hint)


def _known(
    card: gpu_shape.VmGpuShape, path: Path, fields: Fields, document: Document, stack: shape.StackShape
) -> Found:
    if ("gpus", card.name) not in document.keys:
        yield document.problem(path, f"there is no card {card.name!r} under gpus", nearest(card.name, stack.gpus))
        return
    gpu, node = stack.gpus.get(card.name), fields["node"]
    if gpu is not None and gpu.node and node not in {"auto", gpu.node}:
        text = f"the card {card.name} is on {gpu.node}, and {fields.name} on {node}"
        yield document.problem(path, text, "Give both the same node, or leave one of them out.")


def _shared(
    card: gpu_shape.VmGpuShape, path: Path, holders: dict[str, list[str]], document: Document, stack: shape.StackShape
) -> Found:
    """Yield a problem for a card that two running VMs would have on one node; which one ``auto`` is, the plan knows."""
    name = str(path[1])
    mine = Fields(name, stack.vms[name], stack.defaults)
    for other in holders.setdefault(card.name, []):
        its = Fields(other, stack.vms[other], stack.defaults)
        if other == name:
            yield document.problem(path, f"the card {card.name} stands twice", "Remove one.")
            break
        gpu = stack.gpus.get(card.name)
        fixed = gpu.node if gpu is not None else None
        one_node = fixed is not None or mine["node"] == its["node"] != "auto"
        if one_node and mine["state"] == its["state"] == "running":
            text = f"{other} has the card {card.name} as well, and only one of them can run"
            yield document.problem(path, text, "Write state: stopped for one of them.")
            break
    holders[card.name].append(name)


def _apart(vm: shape.VmShape, path: Path, document: Document, stack: shape.StackShape) -> Found:
    fixed = [(card.name, gpu.node) for card in vm.gpus or () if (gpu := stack.gpus.get(card.name)) and gpu.node]
    other = next(((name, node) for name, node in fixed if node != fixed[0][1]), None)
    if other is not None:
        text = f"the card {fixed[0][0]} is on {fixed[0][1]}, and {other[0]} on {other[1]}"
        yield document.problem(path, text, "A VM has the cards of one node.")


def _primaries(vm: shape.VmShape, path: Path, document: Document) -> Found:
    primary = [at for at, card in enumerate(vm.gpus or ()) if card.primary]
    for at in primary[1:]:
        yield document.problem((*path, at), "a VM has one first display", "Leave primary out for all cards but one.")


def _hardware(fields: Fields, document: Document) -> Found:
    here: Path = ("vms", fields.name, "gpus")
    machine, path = fields.find("machine")
    if machine != "q35" and not fields.was_cut(document, "machine"):
        text = "a VM with cards needs machine: q35, which has PCI Express"
        yield document.problem(path, text, "Remove machine, or write q35.")
    for layer, own in fields.merged("pve"):
        given = own.get("machine")
        if given is not None and "q35" not in str(given):
            text = "a VM with cards needs machine: q35, which has PCI Express"
            yield document.problem((*layer, "machine"), text, "Remove it.")
    balloon, path = fields.find("balloon")
    if balloon is not None and path[0] != "defaults" and fields["kind"] != "windows":
        text = "a card pins all of the VM's memory, so that a balloon can give nothing back"
        yield document.problem(path, text, "Remove balloon for this VM.")
    if not fields["agent"] and fields["kind"] != "windows" and not fields.was_cut(document, "agent"):
        text = "only the guest agent can tell whether the card works in the guest"
        yield document.problem(here, text, "Remove agent: false.")

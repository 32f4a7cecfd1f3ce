"""Resource mappings: the name under which PVE gives a device of a node to a VM, and whose mapping it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pvekit.model.mark import stack_tag


def mapping_name(stack: str, gpu: str) -> str:
    """Return the name of the mapping of a stack's card."""
    return f"{stack}-{gpu}"


def mapping_note(stack: str, gpu: str) -> str:
    """Return the description of a mapping, which says whose it is."""
    return f"{stack_tag(stack)}: the card {gpu} of the stack {stack}; pvekit keeps it as the stack file says"


def is_ours(stack: str, description: str) -> bool:
    """Return whether pvekit made the mapping with this description for the stack."""
    return description.partition(":")[0] == stack_tag(stack)


def parts(entry: str) -> Mapping[str, str]:
    """Return the parts of an entry (``node=pve,path=0000:01:00,...``), in whatever order PVE gives them."""
    return dict(part.partition("=")[::2] for part in entry.split(",") if part)


def by_node(entries: Iterable[str]) -> dict[str, str]:
    """Return the entries by node; several of one node are joined by a blank."""
    found: dict[str, str] = {}
    for entry in entries:
        node = parts(entry).get("node", "")
        found[node] = f"{found[node]} {entry}" if node in found else entry
    return found


def same(one: str | None, other: str | None) -> bool:
    """Return whether two entries mean the same."""
    if one is None or other is None:
        return one is other
    return parts(one) == parts(other)

"""How PVE remembers which VM belongs to which stack: two tags and one comment in the description.

Tags are in ``/cluster/resources``, so one read finds every VM of a stack. The comment holds what PVE has no field
for. There is no other state: PVE is the truth.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from enum import Enum

# No value of a mark holds < or > (see ``write``), so a comment of the person's own is never taken for its beginning.
_COMMENT = re.compile(r"<!-- pvekit (\{[^<>]*\}) -->")
_VMID_FIRST, _VMID_SPAN = 1000, 8000


class Stage(Enum):
    """How far a VM has come. A run that was interrupted continues from here.

    INSTALLED is only for systems that are installed from a CD: their disk is written, its first boot is not over.
    """

    CREATED = "created"
    INSTALLED = "installed"
    BOOTED = "booted"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Mark:
    """What pvekit writes into a VM's description.

    ``provision`` is the digest of the inputs that were last provisioned, ``host_key`` the guest's public SSH host
    key as read through the agent, ``seed`` the volume id of the attached seed ISO (empty once it is gone), ``first``
    the digest of the settings of the first boot, which later changes of the stack file do not reach. ``root`` are the
    keys, with commas, that the root step set; ``proof`` are the cards, with commas, that the guest was seen to have.
    """

    stack: str
    vm: str
    kind: str
    stage: Stage
    provision: str = ""
    host_key: str = ""
    seed: str = ""
    first: str = ""
    root: str = ""
    proof: str = ""

    def with_stage(self, stage: Stage, **fields: str) -> Mark:
        """Return the mark one stage further."""
        return replace(self, stage=stage, **fields)


def stack_tag(stack: str) -> str:
    """Return the tag that every VM of a stack carries."""
    return f"pvekit.{stack}"


def vm_tag(stack: str, vm: str) -> str:
    """Return the tag that says which VM of the stack this is."""
    return f"pvekit.{stack}.{vm}"


def vm_of(tags: frozenset[str], stack: str) -> str | None:
    """Return the name that a VM has in the stack, read from its tags; None when it is not of this stack."""
    prefix = stack_tag(stack) + "."
    names = sorted(tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))
    return names[0] if names and stack_tag(stack) in tags else None


def vmid_for(stack: str, vm: str, attempt: int = 0) -> int:
    """Return the VMID to claim: the same for the same names, the next one on each attempt."""
    number = int.from_bytes(hashlib.sha256(f"{stack}/{vm}".encode()).digest()[:8], "big")
    return _VMID_FIRST + (number + attempt) % _VMID_SPAN


def write(text: str, mark: Mark) -> str:
    """Return a description: the person's own text, then the mark as an HTML comment (PVE does not render it).

    The comment is JSON with ``<``, ``>`` and ``--`` escaped, so that no value can end it.
    """
    fields = {"stack": mark.stack, "vm": mark.vm, "kind": mark.kind, "stage": mark.stage.value}
    more = {"provision": mark.provision, "host_key": mark.host_key, "seed": mark.seed, "first": mark.first}
    more |= {"root": mark.root, "proof": mark.proof}
    body = json.dumps({**fields, **{key: value for key, value in more.items() if value}}, sort_keys=True)
    body = body.replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")
    own = strip(text)
    return f"{own}\n\n<!-- pvekit {body} -->" if own else f"<!-- pvekit {body} -->"


def read(description: str) -> Mark | None:
    """Return the mark in a description; None when there is none or it is damaged.

    What somebody wrote below it does not hide it. Of several, the last one counts.
    """
    found = _COMMENT.findall(description)
    if not found:
        return None
    try:
        fields = json.loads(found[-1])
        return Mark(
            stack=str(fields["stack"]),
            vm=str(fields["vm"]),
            kind=str(fields["kind"]),
            stage=Stage(fields["stage"]),
            provision=str(fields.get("provision", "")),
            host_key=str(fields.get("host_key", "")),
            seed=str(fields.get("seed", "")),
            first=str(fields.get("first", "")),
            root=str(fields.get("root", "")),
            proof=str(fields.get("proof", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def strip(description: str) -> str:
    """Return a description without any mark, and without the line ends before it."""
    while found := _COMMENT.search(description):
        description = description[: found.start()].rstrip("\n") + description[found.end() :]
    return description.rstrip("\n")

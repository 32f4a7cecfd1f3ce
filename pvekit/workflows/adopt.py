"""Takes an existing VM into a stack: its YAML, and the tags by which pvekit knows it from then on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.model.errors import NotFound, PvekitError
from pvekit.model.mark import Mark, Stage, stack_tag, strip, vm_of, vm_tag, write
from pvekit.model.stack import Stack, Vm, load
from pvekit.model.stack.adopt import CannotAdopt, overrides, to_yaml, vm_name
from pvekit.workflows.session import Session


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting a VM would do: the YAML for ``vms:``, and the tags and description that PVE gets."""

    name: str
    vmid: int
    node: str
    text: str
    tags: str
    description: str
    digest: str


def plan_adoption(session: Session, vmid: int, kind: str) -> Adoption:
    """Return the adoption. Raises NotFound for an unknown VMID and PvekitError for a VM that cannot be described."""
    row = api.resources(session.pve).vm(vmid)
    if row is None or row.kind != "qemu":
        raise NotFound(f"there is no VM {vmid}", status=0, hint="pvekit adopts VMs that the token can see.")
    other = next((tag for tag in row.tags if tag.startswith("pvekit.")), "")
    stack = session.stack.name
    if other and vm_of(frozenset(row.tags), stack) is None:
        raise PvekitError(f"VM {vmid} belongs to another stack already (tag {other})", hint="Remove that tag first.")
    now = api.pending(session.pve, row.node, vmid)
    config = now.after_restart
    name = vm_name(vmid, config)
    try:
        plain = to_yaml(vmid, config, kind=kind, node=row.node, pool=row.pool or None, running=row.status == "running")
        desired = guests.desired(*_loaded(session.stack, plain, name))
        found = overrides(desired.config, config)
        text = to_yaml(
            vmid,
            config,
            kind=kind,
            node=row.node,
            pool=row.pool or None,
            running=row.status == "running",
            overrides=found,
        )
    except (CannotAdopt, ValueError) as error:
        raise PvekitError(str(error), where=f"VM {vmid}") from error
    desired = guests.desired(*_loaded(session.stack, text, name))
    mark = Mark(stack, name, kind, Stage.READY, provision=desired.provisioning.digest)
    tags = ";".join(sorted({*row.tags, stack_tag(stack), vm_tag(stack, name)}))
    description = write(strip(config.get("description", "")), mark)
    return Adoption(name, vmid, row.node, text, tags, description, now.digest)


def _loaded(stack: Stack, entry: str, name: str) -> tuple[Stack, Vm]:
    """Return the entry as a VM of the stack, read as the loader will read it."""
    text = f"pvekit: 1\nname: {stack.name}\nhost: lab\nvms:\n{entry}"
    loaded = load(text, "adopted", guests.kinds())
    return replace(stack, vms=loaded.vms), loaded.vm(name)


def adopt(session: Session, adoption: Adoption) -> None:
    """Write tags and mark, with the digest that the plan saw."""
    changes = {"tags": adoption.tags, "description": adoption.description}
    api.set_config(session.pve, adoption.node, adoption.vmid, changes, digest=adoption.digest)


def append(path: Path, adoption: Adoption) -> None:
    """Add the entry to the end of a stack file whose last section is ``vms:``. Raises PvekitError otherwise."""
    text = path.read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    keys = list(document) if isinstance(document, dict) else []
    if not keys or keys[-1] != "vms" or "\nvms: {" in text:
        raise PvekitError(
            "the entry can only be added where vms: is the last section", where=str(path), hint="Paste it by hand."
        )
    text = text.replace("\nvms: {}", "\nvms:") if document["vms"] is None or document["vms"] == {} else text
    path.write_text(text.rstrip("\n") + "\n\n" + adoption.text, encoding="utf-8")

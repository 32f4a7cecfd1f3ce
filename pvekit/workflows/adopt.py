"""Takes an existing VM into a stack: its YAML, and the tags by which pvekit knows it from then on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.adapters.files import write_atomic
from pvekit.model.errors import ApiError, NotFound, PvekitError
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
    if any(vm.name == name for vm in session.stack.vms):
        raise PvekitError(
            f"the stack has a VM {name} already",
            where=session.stack.file,
            hint=f"If it is another one, give VM {vmid} another name in PVE first.",
        )
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


def adopt(session: Session, adoption: Adoption, file: Path | None = None) -> None:
    """Write tags and mark, with the digest that the plan saw; with ``file`` the entry is added to it.

    The file comes first, and is put back when PVE refuses: a VM with the tags that no file has is one that
    ``pvekit down`` would remove. Raises PvekitError when the entry cannot be added, Conflict when the VM changed.
    """
    before = file.read_text(encoding="utf-8") if file is not None else ""
    if file is not None:
        write_atomic(file, appended(before, adoption, str(file)).encode(), mode=file.stat().st_mode & 0o777)
    changes = {"tags": adoption.tags, "description": adoption.description}
    try:
        api.set_config(session.pve, adoption.node, adoption.vmid, changes, digest=adoption.digest)
    except ApiError:
        if file is not None:
            write_atomic(file, before.encode(), mode=file.stat().st_mode & 0o777)
        raise


def appended(text: str, adoption: Adoption, where: str) -> str:
    """Return a stack file's text with the entry at its end. Raises PvekitError unless ``vms:`` is the last section."""
    document = yaml.safe_load(text)
    keys = list(document) if isinstance(document, dict) else []
    empty = re.search(r"(?m)^vms:[ \t]*(\{[ \t]*\})?[ \t]*(#.*)?$", text)
    if not keys or keys[-1] != "vms" or empty is None:
        raise PvekitError(
            "the entry can only be added where vms: is the last section and has one VM per line",
            where=where,
            hint="Leave --append out and paste the entry by hand.",
        )
    if not document["vms"]:
        text = text[: empty.start()] + "vms:" + text[empty.end() :]
    return text.rstrip("\n") + "\n\n" + adoption.text

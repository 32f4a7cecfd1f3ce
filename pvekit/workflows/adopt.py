"""Takes an existing VM into a stack: its YAML, and the tags by which pvekit knows it from then on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.adapters.files import write_atomic
from pvekit.adapters.stackfile import Beside
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import ApiError, NotFound, PvekitError, StackInvalid
from pvekit.model.mark import Mark, Stage, vm_of, write
from pvekit.model.stack import load
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
    text, desired = _described(session, row, now.after_restart, kind)
    mark = Mark(stack, desired.name, kind, Stage.READY, provision=desired.provisioning.digest)
    tags = ";".join(sorted({*row.tags, *desired.tags}))
    return Adoption(desired.name, vmid, row.node, text, tags, write(desired.description, mark), now.digest)


def _described(session: Session, row: api.VmRow, config: Mapping[str, str], kind: str) -> tuple[str, DesiredVm]:
    """Return the entry, and what the stack file will make of it. Raises PvekitError for what cannot be described."""
    name = vm_name(row.vmid, config)
    if any(vm.name == name for vm in session.stack.vms):
        raise PvekitError(
            f"the stack has a VM {name} already",
            where=session.stack.file,
            hint=f"If it is another one, give VM {row.vmid} another name in PVE first.",
        )
    about: dict[str, Any] = {"kind": kind, "node": row.node, "pool": row.pool or None}
    about["running"] = row.status == "running"
    try:
        plain = _read(session, to_yaml(row.vmid, config, **about), name)
        text = to_yaml(row.vmid, config, **about, overrides=overrides(plain.config, config))
        return text, _read(session, text, name)
    except (CannotAdopt, ValueError) as error:
        raise PvekitError(str(error), where=f"VM {row.vmid}") from error
    except StackInvalid as error:
        reasons = "".join(f"\n  {problem.path}: {problem.message}" for problem in error.problems)
        raise PvekitError(
            f"the stack file cannot describe it:{reasons}",
            where=f"VM {row.vmid}",
            hint="Is there a default under defaults: that this VM does not share? Adopt it into another stack file.",
        ) from error


def _read(session: Session, entry: str, name: str) -> DesiredVm:
    """Return what the entry means in this stack file, with its defaults."""
    document = yaml.safe_load(Path(session.stack.file).read_text(encoding="utf-8"))
    around = {key: document[key] for key in ("pvekit", "name", "host", "defaults", "images") if key in document}
    text = f"{yaml.safe_dump(around)}vms:\n{entry}"
    stack = load(text, "adopted", guests.kinds(), Beside(session.folder))
    return guests.desired(stack, stack.vm(name))


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
    if list(document)[-1] != "vms" or not re.search(r"(?m)^vms:[ \t]*(#.*)?$", text):
        raise PvekitError(
            "the entry can only be added where vms: is the last section and has one VM per line",
            where=where,
            hint="Leave --append out and paste the entry by hand.",
        )
    return text.rstrip("\n") + "\n\n" + adoption.text

"""What a Linux guest is given beyond the basics: a desktop, a locale, a keyboard, shares of the stack's NAS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pvekit.model.stack import Mount, SecretRef, Vm

DESKTOP_PLAYBOOK = "desktop.yml"


@dataclass(frozen=True, slots=True)
class Extras:
    """Playbooks beyond the base, variables, and secrets (references). ``hosts``: VMs whose addresses they need."""

    playbooks: tuple[str, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Any] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()


def extras(vm: Vm) -> Extras:
    """Return what the playbooks need to know of ``desktop``, ``locale``, ``keyboard`` and ``mounts``."""
    linux = vm.linux
    variables: dict[str, Any] = {}
    if linux.locale:
        variables["pvekit_locale"] = linux.locale
    if linux.keyboard:
        variables["pvekit_keyboard"] = linux.keyboard
    if linux.desktop:
        variables["pvekit_desktop_user"] = vm.user
    if linux.mounts:
        variables["pvekit_mounts"] = [_mount(mount, vm.user) for mount in linux.mounts]
    logins: dict[str, SecretRef] = {
        mount_name(mount.path): mount.password for mount in linux.mounts if mount.how == "smb" and mount.password
    }
    return Extras(
        playbooks=(DESKTOP_PLAYBOOK,) if linux.desktop else (),
        variables=variables,
        secrets={"pvekit_mount_passwords": logins} if logins else {},
        hosts=tuple(dict.fromkeys(mount.vm for mount in linux.mounts)),
    )


def _mount(mount: Mount, owner: str) -> dict[str, Any]:
    made = {
        "unit": unit_name(mount.path),
        "name": mount_name(mount.path),
        "path": mount.path,
        "vm": mount.vm,
        "share": mount.share,
        "how": mount.how,
    }
    return made | ({"user": mount.user, "owner": owner} if mount.how == "smb" else {})


def unit_name(path: str) -> str:
    """Return the name that systemd demands for the unit of a mount point, without its ending (systemd.unit(5))."""
    escaped = path.strip("/").replace("-", "\\x2d").replace("/", "-")
    return "\\x2e" + escaped[1:] if escaped.startswith(".") else escaped


def mount_name(path: str) -> str:
    """Return a file name for a mount point, another one for every path."""
    # A plus never stands in a path of the stack file, and means nothing to systemd or mount.
    return path.strip("/").replace("/", "+")

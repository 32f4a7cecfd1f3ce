"""A first stack file: looks at the server, pins its certificate, checks the token, writes the YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.adapters.files import write_atomic
from pvekit.model.errors import PvekitError, StackInvalid
from pvekit.model.stack import load
from pvekit.model.stack.preset import Place, starter, z440_home
from pvekit.provision.privileges import Need, missing, pveum_lines

PRESETS = {"starter": starter, "z440-home": z440_home}

# What bringing a Linux VM up takes, whatever its storages are called.
_EVERYWHERE = (
    "VM.Allocate",
    "VM.Audit",
    "VM.PowerMgmt",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server showed to the token."""

    version: str
    nodes: tuple[str, ...]
    disk_storages: tuple[str, ...]
    iso_storages: tuple[str, ...]
    image_storages: tuple[str, ...]
    bridges: tuple[str, ...]
    lacking: tuple[str, ...]
    pveum: tuple[str, ...]


def normal_endpoint(text: str) -> str:
    """Return an address with https:// and a port, as far as that can be guessed; ``problems`` judges it."""
    url = text.strip().rstrip("/")
    url = url if "//" in url else f"https://{url}"
    return url if re.search(r":\d+$", url) or url.endswith(":/") else f"{url}:8006"


def problems(name: str, place: Place) -> tuple[str, ...]:
    """Return what is wrong with the answers, as the stack file that they go into would be judged."""
    try:
        load(starter(name, replace(place, ssh_keys=())), "", guests.kinds())
    except StackInvalid as error:
        return tuple(f"{problem.path}: {problem.message} {problem.hint}".rstrip() for problem in error.problems)
    return ()


def certificate(endpoint: str) -> api.Certificate:
    """Return the certificate that the server shows. Raises HostUnreachable."""
    return api.show_certificate(endpoint)


def look(endpoint: str, fingerprint: str, token_id: str, secret: str) -> Seen:
    """Read what a stack file needs, with the token's own eyes. Raises AuthFailed and other ApiErrors."""
    trust = api.Trust((fingerprint,)) if fingerprint else api.Trust()
    with api.Pve.open(api.Endpoint((endpoint,), trust, api.Token(token_id, secret))) as pve:
        version = api.version(pve)
        found = api.resources(pve)
        nodes = tuple(node.node for node in found.nodes if node.online)
        lacking = _lacking(api.permissions(pve), version)
        return Seen(
            version=".".join(map(str, version)),
            nodes=nodes,
            disk_storages=_storages(found, "images"),
            iso_storages=_storages(found, "iso"),
            image_storages=_storages(found, "import"),
            bridges=tuple(bridge.name for bridge in api.bridges(pve, nodes[0])) if nodes else (),
            lacking=tuple(need.privilege for need in lacking),
            pveum=pveum_lines(lacking, token_id),
        )


def _lacking(permissions: Mapping[str, Mapping[str, bool]], version: tuple[int, ...]) -> tuple[Need, ...]:
    agent = ("VM.GuestAgent.Audit", "VM.GuestAgent.FileRead") if version >= (9,) else ("VM.Monitor",)
    return missing([Need("/vms", privilege) for privilege in (*_EVERYWHERE, *agent)], permissions)


def _storages(found: api.Resources, content: str) -> tuple[str, ...]:
    return tuple(sorted({row.storage for row in found.storages if content in row.content}))


def write(path: str, preset: str, name: str, place: Place) -> str:
    """Write the stack file and return its text. Raises PvekitError when the file is there already."""
    target = Path(path)
    text = PRESETS[preset](name, place)
    if target.exists():
        raise PvekitError(f"{target} exists", hint="Name another file with --out, or move it away.")
    write_atomic(target, text.encode(), mode=0o644, exclusive=True)
    return text


def first(choices: Sequence[str], preferred: str) -> str:
    """Return the preferred choice if it is there, else the first one, else the preferred one all the same."""
    return preferred if preferred in choices or not choices else choices[0]

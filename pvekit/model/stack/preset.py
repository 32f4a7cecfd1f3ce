"""First stack files, with comments: what ``pvekit init`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.model.stack.emit import flow, scalar


@dataclass(frozen=True, slots=True)
class Place:
    """Where VMs go: what ``pvekit init`` found on the server or asked for.

    ``fingerprint`` empty means that the certificate is verified against the system's CAs. ``nodes``,
    ``storages`` and ``bridges`` are the other choices, shown in comments.
    """

    endpoint: str
    token_id: str
    fingerprint: str = ""
    token_secret: str = "env:PVEKIT_TOKEN"  # noqa: S105 -- a reference, not a secret
    node: str = "auto"
    storage: str = "local-lvm"
    iso_storage: str = "local"
    image_storage: str = "local"
    bridge: str = "vmbr0"
    nodes: Sequence[str] = ()
    storages: Sequence[str] = ()
    bridges: Sequence[str] = ()
    user: str = "ops"
    ssh_keys: Sequence[str] = ("file:~/.ssh/id_ed25519.pub",)
    timezone: str = "UTC"


def starter(name: str, place: Place) -> str:
    """Return a commented stack file with one Debian VM."""
    return _head(name, place) + _IMAGES + _STARTER_VMS


def z440_home(name: str, place: Place) -> str:
    """Return the stack file of a home on one workstation (14 cores, 64 GiB): two Windows, two Ubuntu, NAS, llama."""
    return _head(name, place) + _IMAGES + _Z440_VMS


def _others(choices: Sequence[str], chosen: str) -> str:
    others = [choice for choice in choices if choice != chosen]
    return f"  # or: {', '.join(others)}" if others else ""


def _head(name: str, place: Place) -> str:
    trust = (
        f"# SHA-256 of the certificate, as `pvenode cert info` shows it on the node.\n"
        f"  fingerprint: {scalar(place.fingerprint)}"
        if place.fingerprint
        else "# This machine trusts the certificate; to pin it, write fingerprint: instead.\n  verify: system"
    )
    return f"""\
# The stack {name}: what should run. `pvekit plan` says what would change, `pvekit up` does it.
# Every key is explained by `pvekit schema`; `pvekit validate` names all mistakes at once.
pvekit: 1
name: {scalar(name)}

host:
  endpoint: {scalar(place.endpoint)}
  {trust}
  token:
    id: {scalar(place.token_id)}
    # Never the secret itself: env:NAME, file:PATH (mode 600) or cmd:PROGRAM ARGUMENTS.
    secret: {scalar(place.token_secret)}

# For every VM that does not say otherwise. Any field of a VM may stand here.
defaults:
  node: {scalar(place.node)}{_others(place.nodes, place.node)}
  storage: {scalar(place.storage)}  # for disks{_others(place.storages, place.storage).replace("  #", ",")}
  iso_storage: {scalar(place.iso_storage)}  # for first-boot settings; must allow ISO images
  image_storage: {scalar(place.image_storage)}  # for downloaded images; must allow imports
  bridge: {scalar(place.bridge)}{_others(place.bridges, place.bridge)}
  user: {scalar(place.user)}  # may become root; you log in as this one
  ssh_keys: {flow(list(place.ssh_keys))}
  timezone: {scalar(place.timezone)}
  updates: security  # or all, or none

"""


_IMAGES = """\
# The server downloads them and checks the sum. `checksums` is read once and kept in pvekit.lock.
images:
  debian-13:
    url: https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2
    checksums: https://cloud.debian.org/images/cloud/trixie/latest/SHA512SUMS
  ubuntu-24.04:
    url: https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img
    checksums: https://cloud-images.ubuntu.com/noble/current/SHA256SUMS

"""

_STARTER_VMS = """\
vms:
  web:
    kind: debian
    image: debian-13
    cores: 2
    memory: 2GiB
    disks:
      - {size: 20GiB, discard: true}
    nics:
      - {address: dhcp}
      # A fixed address: {address: 192.168.1.20/24, gateway: 192.168.1.1}
    packages: [curl]
    # start: {auto: true, order: 1, up: 30s}
    # ansible: {playbooks: [web.yml], vars: {site: example.org}}

  # work:
  #   kind: ubuntu
  #   image: ubuntu-24.04
  #   cores: 4
  #   memory: 8GiB
"""

_Z440_VMS = """\
# 44 GiB of 64 and 26 virtual CPUs on 28 threads; the rest belongs to Proxmox itself.
vms:
  win-work:
    kind: windows
    cores: 6
    cpu: x86-64-v3
    memory: 8GiB
    firmware: ovmf
    secure_boot: true
    tpm: true
    disks:
      - {size: 96GiB, discard: true, ssd: true}
    start: {auto: false}

  win-play:
    kind: windows
    cores: 6
    cpu: x86-64-v3
    memory: 8GiB
    firmware: ovmf
    secure_boot: true
    tpm: true
    disks:
      - {size: 128GiB, discard: true, ssd: true}
    start: {auto: false}

  ubuntu-work:
    kind: ubuntu
    image: ubuntu-24.04
    cores: 4
    cpu: host
    memory: 6GiB
    disks:
      - {size: 64GiB, discard: true, ssd: true}
    start: {order: 3}

  ubuntu-lab:
    kind: ubuntu
    image: ubuntu-24.04
    cores: 2
    cpu: host
    memory: 2GiB
    disks:
      - {size: 32GiB, discard: true, ssd: true}
    start: {order: 4}

  # Its data disks are passed through whole; they are named here when this version can do that.
  nas:
    kind: nas
    image: debian-13
    cores: 2
    cpu: host
    memory: 4GiB
    disks:
      - {size: 16GiB, discard: true}
    protection: true
    start: {order: 1, up: 60s, down: 120s}

  # Its graphics card is passed through; it is named here when this version can do that.
  llama:
    kind: llama
    image: debian-13
    cores: 6
    cpu: host
    memory: 16GiB
    disks:
      - {size: 120GiB, discard: true, backup: false}
    start: {order: 2}
"""

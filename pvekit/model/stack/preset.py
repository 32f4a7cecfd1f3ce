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
    """Return the stack file of a home on one workstation (14 cores, 64 GiB, 1 TB): two Windows, two Ubuntu, a NAS."""
    return _head(name, place) + _IMAGES.rstrip("\n") + "\n" + _Z440_IMAGES + _Z440_VMS


def _no_keys(place: Place) -> str:
    return "" if place.ssh_keys else '  # yours: ["file:~/.ssh/id_ed25519.pub"]; pvekit has one of its own besides'


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
  ssh_keys: {flow(list(place.ssh_keys))}{_no_keys(place)}
  timezone: {scalar(place.timezone)}
  updates: security  # or all, or none

"""


_IMAGES = """\
# The server downloads them and checks the sum. `checksums` is read once and kept in pvekit.lock.
images:
  debian-13:
    url: https://cloud.debian.org/images/cloud/trixie/20261001-2618/debian-13-genericcloud-amd64-20261001-2618.qcow2
    checksums: https://cloud.debian.org/images/cloud/trixie/20261001-2618/SHA512SUMS
  ubuntu-24.04:
    url: https://cloud-images.ubuntu.com/releases/noble/release-20260911/ubuntu-24.04-server-cloudimg-amd64.img
    checksums: https://cloud-images.ubuntu.com/releases/noble/release-20260911/SHA256SUMS
    # With `keyring: FILE` the list must have the publisher's signature.

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

_Z440_IMAGES = """\
  # Windows 11 from Microsoft, uploaded to the storage, with the checksum that the download page shows. A file on this
  # machine is as good and can be looked into beforehand: write path: Win11.iso instead of volume:.
  windows-11:
    volume: local:iso/Win11.iso
    sha256: "0000000000000000000000000000000000000000000000000000000000000000"

"""

_Z440_VMS = """\
# Memory: 42 GiB for the VMs, about 2 for QEMU, 4 for Proxmox itself. `pvekit plan` shows the whole budget; without a
# server: pvekit plan inventory/z440-home.yaml --recorded inventory/z440-host.json
# No VM with a graphics card is here yet: 10 GiB and 120 GiB of the disk are left for one (llama).
vms:
  # The NAS first: the others mount its shares. Its data is on a virtual disk here, so that it runs on a box with one
  # SSD. With two disks of its own, given to it whole (this needs host: ssh:), write instead, and no second disk above:
  #   pool:
  #     layout: mirror
  #     disks:
  #       - {serial: WD-WCC7K0000001, size: 4TB, by_id: ata-WDC_WD40EFRX-68N32N0_WD-WCC7K0000001}
  #       - {serial: WD-WCC7K0000002, size: 4TB, by_id: ata-WDC_WD40EFRX-68N32N0_WD-WCC7K0000002}
  #     create_on: [WD-WCC7K0000001, WD-WCC7K0000002]
  nas:
    kind: nas
    image: ubuntu-24.04
    cores: 4
    cpu: host
    memory: 8GiB  # half of it caches the disks: ZFS works in the guest, not on the host
    disks:
      - {size: 16GiB, discard: true, ssd: true}
      - {size: 256GiB, serial: tank-a, discard: true, ssd: true}
    nas:
      pool:
        layout: single
        disks: [{serial: tank-a, size: 256GiB}]
        create_on: [tank-a]
      users: [{name: anna, password: "env:ANNA_PASSWORD"}]
      shares:
        family: {users: [anna]}
    protection: true
    start: {order: 1, up: 60s, down: 120s}

  win-work:
    kind: windows
    image: windows-11
    cores: 6
    memory: 10GiB  # all of it, always: Windows slows down when the host takes memory back
    password: "env:WORK_PASSWORD"
    windows: {edition: pro, language: en-US}  # locale and keyboard: as the language, unless you say otherwise
    disks:
      - {size: 128GiB}
    start: {order: 2}

  win-play:
    kind: windows
    image: windows-11
    cores: 6
    memory: 10GiB
    password: "env:PLAY_PASSWORD"
    windows: {edition: pro, language: en-US}
    disks:
      - {size: 160GiB}
    start: {order: 3}

  ubuntu-desk:
    kind: ubuntu
    image: ubuntu-24.04
    desktop: true
    cores: 4
    cpu: host
    memory: 8GiB
    balloon: 4GiB
    password: "env:DESK_PASSWORD"
    mounts: [{share: nas/family, path: /srv/family, user: anna}]
    disks:
      - {size: 64GiB, discard: true, ssd: true}
    start: {order: 4}

  ubuntu-lab:
    kind: ubuntu
    image: ubuntu-24.04
    cores: 4
    cpu: host
    memory: 6GiB
    balloon: 3GiB
    disks:
      - {size: 32GiB, discard: true, ssd: true}
    start: {order: 5}
"""

"""Makes ``inventory/z440-host.json``: what a Z440 would answer, told by the embedded node that claims to be one.

python -m tests.budget.z440
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pvekit.lab.hardware import read_hardware
from pvekit.model.recording import Recording
from pvekit.workflows.record import record, write_recording
from pvekit.workflows.session import open_session
from tests.lab.running import RunningLab

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
HOST = ROOT / "inventory" / "z440-host.json"
HOME = ROOT / "inventory" / "z440-home.yaml"
ABOUT = (
    "An example, not taken from a real machine: pvekit's embedded node gave these answers while it claimed to be an HP "
    "Z440 with one Xeon E5-2680 v4 (14 cores, 28 threads), 62.7 GiB of usable memory, a 1 TB SSD as Proxmox VE's "
    "installer divides it (local, and local-lvm on LVM-thin) and one Quadro M2000. The size of local-lvm is worked "
    "out, not measured. Record your own with: pvekit record STACK -o FILE"
)
_ISO_BYTES = 1 << 20


def stack_text(lab: RunningLab) -> str:
    """Return a small stack on the node: a recording needs the host's answers, not these VMs."""
    return (
        "pvekit: 1\nname: home\nhost:\n"
        f"  endpoint: https://127.0.0.1:{lab.server.port}\n  fingerprint: '{lab.lab.fingerprint}'\n"
        f"  token: {{id: '{lab.secrets['token_id']}', secret: 'env:Z440_TOKEN'}}\n"
        "images: {debian-13: {build: debian-13}}\n"
        "vms: {one: {kind: debian, image: debian-13, disks: [{size: 8GiB}]}}\n"
    )


def recorded(folder: Path) -> Recording:
    """Start the node, record it, and stop it."""
    lab = RunningLab(folder, hardware=read_hardware(DATA / "z440-hardware.json"), pci=DATA / "z440-pci.json")
    try:
        with (lab.lab.storages.folder("local", "iso") / "Win11.iso").open("wb") as file:
            file.truncate(_ISO_BYTES)
        path = folder / "stack.yaml"
        path.write_text(stack_text(lab))
        os.environ["Z440_TOKEN"] = lab.secrets["token_secret"]
        with open_session(path) as session:
            return record(session, ABOUT)
    finally:
        os.environ.pop("Z440_TOKEN", None)
        lab.close()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="pvekit-z440-") as folder:
        write_recording(HOST, recorded(Path(folder)))


if __name__ == "__main__":
    main()

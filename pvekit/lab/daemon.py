"""Runs the embedded node in the foreground: ``python -m pvekit.lab.daemon --state DIR``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from pvekit.lab.access.accounts import ROOT
from pvekit.lab.certificate import certificate
from pvekit.lab.doors import Disks, Machines
from pvekit.lab.hardware import read_hardware
from pvekit.lab.hollow import HollowDisks, HollowMachines
from pvekit.lab.lab import Lab
from pvekit.lab.server import LabServer
from pvekit.lab.settings import Settings, parse_delays
from pvekit.lab.store import write_atomic

TOKEN = "lab"  # noqa: S105 - the name of a token, not a secret
LOG = logging.getLogger(__name__)


def open_lab(settings: Settings, *, hollow: bool, boot_seconds: float = 0.0) -> Lab:
    """Return the node with its doors, its root password and token made on the first start."""
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    machines: Machines
    disks: Disks
    if hollow:
        machines, disks = HollowMachines(settings.state, boot_seconds=boot_seconds), HollowDisks()
    else:
        from pvekit.lab.qemu.disks import QemuDisks
        from pvekit.lab.qemu.machines import QemuMachines

        qemu = QemuMachines(settings.state / "qemu")
        machines, disks = qemu, QemuDisks(qemu)
    lab = Lab(settings, machines, disks)
    first_secrets(lab)
    return lab


def first_secrets(lab: Lab) -> dict[str, str]:
    """Return root's password and the first token, made and stored (mode 0600) if this is a new node."""
    file = lab.settings.state / "secrets.json"
    if file.exists():
        found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return found
    made = {
        "username": ROOT,
        "password": secrets.token_urlsafe(18),
        "token_id": f"{ROOT}!{TOKEN}",
        "token_secret": lab.accounts.add_token(ROOT, TOKEN, privsep=False, comment="made by the embedded node"),
    }
    lab.accounts.set_password(ROOT, made["password"])
    write_atomic(file, json.dumps(made, indent=1).encode(), mode=0o600)
    return made


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="pvekit.lab.daemon", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder that holds everything the node knows")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (0: a free one)")
    parser.add_argument("--node", action="append", help="name of a node (default: pve)")
    parser.add_argument("--hollow", action="store_true", help="no QEMU: VMs only claim to run")
    parser.add_argument("--boot-seconds", type=float, default=0.0, help="hollow guests: silence of the agent")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="added to every request")
    parser.add_argument("--delay", default="", metavar="TYPE=S,...", help="makes tasks of a type take longer")
    parser.add_argument("--cpus", type=int, default=0, help="threads that the node claims to have")
    parser.add_argument("--memory", type=int, default=0, metavar="MIB", help="RAM that the node claims to have")
    parser.add_argument("--pci", type=Path, help="JSON list of PCI devices instead of the machine's own")
    parser.add_argument("--hardware", type=Path, help="JSON file of a machine that the node claims to be")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; guests go on running."""
    options = arguments(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    settings = Settings(
        state=options.state.resolve(), nodes=tuple(options.node or ("pve",)), latency=options.latency / 1000,
        delays=parse_delays(options.delay or os.environ.get("PVEKIT_LAB_DELAY", "")), cpus=options.cpus,
        memory=options.memory << 20, pci=options.pci or _pci_of_environment(),
        hardware=read_hardware(options.hardware) if options.hardware is not None else None,
    )  # fmt: skip
    lab = open_lab(settings, hollow=options.hollow, boot_seconds=options.boot_seconds)
    server = LabServer(lab, certificate(settings.state, settings.nodes[0]), options.port)
    stopping = threading.Event()
    _write_pidfile(settings.state, server, hollow=options.hollow)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    from pvekit.lab.vm.power import watch_exits

    threading.Thread(target=watch_exits, args=(lab, stopping), daemon=True).start()
    LOG.info("listening on https://127.0.0.1:%d", server.port)
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        stopping.set()
        server.server_close()
        (settings.state / "daemon.json").unlink(missing_ok=True)
    return 0


def _pci_of_environment() -> Path | None:
    """Return the list of devices that PVEKIT_LAB_PCI names."""
    name = os.environ.get("PVEKIT_LAB_PCI", "")
    return Path(name).resolve() if name else None


def _write_pidfile(state: Path, server: LabServer, *, hollow: bool) -> None:
    facts: dict[str, Any] = {
        "pid": os.getpid(),
        "port": server.port,
        "fingerprint": server.lab.fingerprint,
        "hollow": hollow,
    }
    write_atomic(state / "daemon.json", json.dumps(facts).encode(), mode=0o600)


if __name__ == "__main__":
    raise SystemExit(main())

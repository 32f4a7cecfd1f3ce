"""The embedded node with hollow machines, plus a door for tests: faults by seed, and a look at everything it holds.

    python -m tests.chaos.node --state DIR

Beside the API it answers ``POST /chaos/faults`` (a JSON ``Profile``; an empty object ends all faults) and
``GET /chaos/state?stack=NAME``; ``POST /chaos/half/VMID`` leaves what a node that died while it made a VM leaves, and
``DELETE`` takes it away.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

from pvekit.lab.certificate import certificate
from pvekit.lab.daemon import first_secrets
from pvekit.lab.dispatch import Answer
from pvekit.lab.doors import DoorError, Log, VmStart
from pvekit.lab.errors import TaskFailed
from pvekit.lab.hollow import HollowDisks, HollowMachines
from pvekit.lab.lab import Lab
from pvekit.lab.server import Handler, LabServer
from pvekit.lab.settings import Settings
from pvekit.lab.store import write_atomic
from pvekit.lab.tasks import Task, Tasks
from pvekit.lab.vm.vms import Vm
from tests.chaos.faults import DROP, SILENCE, Fault, Profile, Script

NO_FAULTS = Script(Profile(0))


class Chaos:
    """What the node's parts share: the faults of the present run."""

    script = NO_FAULTS


class ChaosTasks(Tasks):
    """Tasks that may be slow, or end at once for want of a lock."""

    def start(
        self,
        lab: Lab,
        kind: str,
        subject: str,
        auth_id: str,
        work: Callable[[Task], None],
        *,
        node: str = "",
        undo: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        locked = Chaos.script.lock(kind)
        slow = Chaos.script.delay(kind)

        def run(task: Task) -> None:
            task.stop.wait(slow)
            if locked:
                raise TaskFailed(f"can't lock file '/var/lock/qemu-server/lock-{subject}.conf' - got timeout")
            work(task)

        return super().start(lab, kind, subject, auth_id, run, node=node, undo=undo)


class ChaosMachines(HollowMachines):
    """Machines that may not start."""

    def start(self, vm: VmStart, log: Log) -> None:
        if Chaos.script.no_start():
            raise DoorError("start failed: QEMU exited with code 1")
        super().start(vm, log)


class ChaosServer(LabServer):
    """Shakes hands, or hangs up."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        if not Chaos.script.handshake():
            super().finish_request(request, client_address)


class ChaosHandler(Handler):
    """Answers, or fails to."""

    fault: Fault | None = None

    def _answer(self) -> None:
        path, _mark, query = self.path.partition("?")
        if path.startswith("/chaos/"):
            self._chaos(path, query)
            return
        ticket = "PVEAuthCookie" in self.headers.get("Cookie", "")
        self.fault = Chaos.script.pick(self.command, path.removeprefix("/api2/json"), ticket=ticket)
        if self.fault is None or self.fault.acts:
            super()._answer()
            return
        self._body().drain()
        self._fail(self.fault)

    def _send(self, answer: Answer) -> None:
        fault, self.fault = self.fault, None
        if fault is None:
            super()._send(answer)
        else:
            self._fail(fault)

    def _fail(self, fault: Fault) -> None:
        self.fault = None
        if fault.status in (DROP, SILENCE):
            self.close_connection = True
            time.sleep(2.0 if fault.status == SILENCE else 0.0)
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            document = None if fault.status == 401 else {"data": None, "message": f"{fault.reason}\n"}
            super()._send(Answer(fault.status, fault.reason, document))

    def _chaos(self, path: str, query: str) -> None:
        lab = cast("LabServer", self.server).lab
        if path == "/chaos/faults":
            text = self.rfile.read(int(self.headers["Content-Length"]))
            told = Chaos.script.told
            fields = json.loads(text)
            Chaos.script = Script(Profile(**fields)) if fields else NO_FAULTS
            super()._send(Answer(200, "OK", {"told": told}))
        elif path == "/chaos/state":
            super()._send(Answer(200, "OK", state(lab, parse_qs(query)["stack"][0])))
        else:
            vmid = int(path.rpartition("/")[2])
            if self.command == "POST":
                lab.vms.save(Vm(vmid, "pve", {"lock": "create"}))
            else:
                lab.vms.forget(vmid)
            super()._send(Answer(200, "OK", {}))


def state(lab: Lab, stack: str) -> dict[str, Any]:
    """Return all that the node holds of a stack, and all files that belong to nobody."""
    lab.tasks.wait(20)
    tag = f"pvekit.{stack}"
    vms = [vm for vm in lab.vms.all() if tag in vm.config.get("tags", "").split(";")]
    folders = [Path(lab.storages.config(name)["path"]) for name in lab.storages.names()]
    images = [path for folder in folders for path in folder.glob("images/*/*")]
    return {
        "vms": [{**asdict(vm), "running": lab.machines.status(vm.vmid) is not None} for vm in vms],
        "images": [path.name for path in images if int(path.parent.name) in {vm.vmid for vm in vms}],
        "stray_images": [path.name for path in images if int(path.parent.name) not in lab.vms],
        "half_made": [vm.vmid for vm in lab.vms.all() if "tags" not in vm.config],
        "isos": [path.name for folder in folders for path in folder.glob(f"template/iso/{tag}.*")],
        "imports": [path.name for folder in folders for path in folder.glob("import/*")],
        "hidden": [path.name for folder in folders for path in folder.rglob(".*")],
        "uploads": [path.name for path in (lab.settings.state / "uploads").glob("*")],
        "running_unknown": [vmid for vmid in lab.machines.running() if vmid not in lab.vms],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    options.state.mkdir(parents=True, exist_ok=True)
    settings = Settings(state=options.state, cpus=64, memory=1 << 46)
    lab = Lab(settings, ChaosMachines(settings.state), HollowDisks())
    lab.tasks = ChaosTasks(settings.state / "tasks", {})
    first_secrets(lab)
    server = ChaosServer(lab, certificate(settings.state, "pve"))
    server.RequestHandlerClass = ChaosHandler
    facts = {"pid": os.getpid(), "port": server.port, "fingerprint": lab.fingerprint}
    write_atomic(settings.state / "daemon.json", json.dumps(facts).encode())
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    threading.Thread(target=leave_with, args=(os.getppid(), server), daemon=True).start()
    server.serve_forever(poll_interval=0.2)


def leave_with(parent: int, server: LabServer) -> None:
    """End when the test that started the node is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    server.shutdown()


if __name__ == "__main__":
    main()

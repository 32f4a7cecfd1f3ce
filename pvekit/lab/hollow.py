"""Both doors without QEMU: VMs are small files that say "running", disks are small files that say their size.

For tests of the API and for benchmarks. A guest answers through a scripted agent as soon as it runs.
"""

from __future__ import annotations

# ruff: noqa: ARG002 - the doors' signatures are given; a hollow machine needs few of the arguments
import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pvekit.lab import hollow_screen
from pvekit.lab.doors import DoorError, Log, VmStart, demand_display
from pvekit.lab.hollow_disks import HollowDisks
from pvekit.lab.hollow_guest import ANSWERS, pci_files
from pvekit.lab.hollow_stats import counted
from pvekit.lab.store import write_atomic
from pvekit.model.picture import Picture

__all__ = ["HollowDisks", "HollowMachines", "guest_files"]


def guest_files(vmid: int, name: str) -> dict[str, bytes]:
    """Return the files that a hollow guest offers to the agent."""
    seed = hashlib.sha256(f"hollow {vmid}".encode()).digest()
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + seed
    stamp = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    source = "DataSourceNoCloud [seed=/dev/sr0]"
    stages = {
        stage: {"errors": [], "finished": 20.0, "recoverable_errors": {}, "start": 10.0}
        for stage in ("init", "init-local", "modules-config", "modules-final")
    }
    return {
        "/etc/hostname": f"{name}\n".encode(),
        "/etc/ssh/ssh_host_ed25519_key.pub": b"ssh-ed25519 " + base64.b64encode(blob) + f" root@{name}\n".encode(),
        "/run/cloud-init/status.json": json.dumps({"v1": {"datasource": source, "stage": None, **stages}}).encode(),
        "/run/cloud-init/result.json": json.dumps({"v1": {"datasource": source, "errors": []}}).encode(),
        "/run/cloud-init/hollow-started": stamp.encode(),
    }


class HollowMachines:
    """VMs that only claim to run; the claim is a file, so it survives the server.

    ``boot_seconds`` is how long the agent stays silent after a start, ``shuts_down`` whether guests obey a
    shutdown request.
    """

    def __init__(self, state: Path, *, boot_seconds: float = 0.0, shuts_down: bool = True) -> None:
        """Take up what runs already."""
        self.folder = state / "hollow"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.boot_seconds = boot_seconds
        self.shuts_down = shuts_down
        self._lock = threading.RLock()
        self._running: dict[int, dict[str, Any]] = {
            int(path.stem): json.loads(path.read_text(encoding="utf-8")) for path in self.folder.glob("*.json")
        }
        self._open: dict[int, tuple[int, str, bytearray]] = {}
        self._handles = 0

    def _save(self, vmid: int) -> None:
        write_atomic(self.folder / f"{vmid}.json", json.dumps(self._running[vmid]).encode())

    def _get(self, vmid: int) -> dict[str, Any]:
        state = self._running.get(vmid)
        if state is None:
            raise DoorError(f"VM {vmid} not running")
        return state

    def start(self, vm: VmStart, log: Log) -> None:
        """Say that it runs; a missing volume is an error as with QEMU."""
        for volume, path in vm.volumes.items():
            if not path.exists():
                raise DoorError(f"volume '{volume}' does not exist")
        with self._lock:
            self._running[vm.vmid] = {
                "since": time.time(), "paused": False, "config": dict(vm.config), "name": vm.name, "files": {},
                "keys": [], "cards": [each.id for key in sorted(vm.cards) for each in vm.cards[key]],
            }  # fmt: skip
            self._save(vm.vmid)

    def stop(self, vmid: int, log: Log) -> None:
        """Say that it does not run."""
        with self._lock:
            self._running.pop(vmid, None)
            (self.folder / f"{vmid}.json").unlink(missing_ok=True)

    def shutdown(self, vmid: int, timeout: float, log: Log) -> bool:
        """Obey, or wait for the time-out."""
        if not self.shuts_down:
            time.sleep(timeout)
            return False
        self.stop(vmid, log)
        return True

    def reset(self, vmid: int) -> None:
        """Boot again, with a clean screen."""
        with self._lock:
            self._get(vmid).update({"since": time.time(), "keys": []})
            self._save(vmid)

    def pause(self, vmid: int) -> None:
        """Stop the CPUs."""
        self._pause(vmid, paused=True)

    def resume(self, vmid: int) -> None:
        """Let the CPUs go on."""
        self._pause(vmid, paused=False)

    def _pause(self, vmid: int, *, paused: bool) -> None:
        with self._lock:
            self._get(vmid)["paused"] = paused
            self._save(vmid)

    def status(self, vmid: int) -> Mapping[str, Any] | None:
        """Return a quiet guest's status."""
        state = self._running.get(vmid)
        if state is None:
            return None
        age = time.time() - state["since"]
        return {
            "pid": 100000 + vmid,
            "uptime": int(age),
            "qmpstatus": "paused" if state["paused"] else "running",
            "cpu": 0.0,
            "mem": 64 << 20,
            **counted(state["config"], age),
        }

    def running(self) -> Sequence[int]:
        """Return the VMIDs of all running VMs."""
        return sorted(self._running)

    def agent(self, vmid: int, command: str, arguments: Mapping[str, Any], timeout: float) -> Any:
        """Answer as a healthy guest would."""
        state = self._get(vmid)
        booting = time.time() - state["since"] < self.boot_seconds
        if booting or state["paused"] or state["config"].get("ostype", "").startswith("w"):
            raise DoorError("QEMU guest agent is not running")
        answer = ANSWERS.get(command)
        if answer is not None:
            return answer(vmid, state)
        if command in {"guest-file-open", "guest-file-read", "guest-file-seek", "guest-file-write", "guest-file-close"}:
            return self._file(vmid, state, command.removeprefix("guest-file-"), arguments)
        if command == "guest-exec":
            return {"pid": 4711}
        if command == "guest-exec-status":
            return {"exited": True, "exitcode": 0, "out-data": "", "err-data": ""}
        if command in {"guest-shutdown", "guest-set-user-password", "guest-fstrim"}:
            return {}
        raise DoorError(f"The command {command} has not been found")

    def _file(self, vmid: int, state: dict[str, Any], verb: str, arguments: Mapping[str, Any]) -> Any:
        with self._lock:
            if verb == "open":
                return self._open_file(vmid, state, str(arguments["path"]), str(arguments.get("mode", "r")))
            handle = int(arguments["handle"])
            if handle not in self._open:
                raise DoorError(f"handle '{handle}' has not been found")
            owner, path, data = self._open[handle]
            if verb == "read":
                part = bytes(data[: int(arguments.get("count", 4096))])
                del data[: len(part)]
                return {"count": len(part), "buf-b64": base64.b64encode(part).decode(), "eof": not data}
            if verb == "seek":
                del data[: int(arguments["offset"])]
                return {"position": int(arguments["offset"]), "eof": not data}
            if verb == "write":
                content = base64.b64decode(arguments["buf-b64"])
                data += content
                state["files"][path] = base64.b64encode(bytes(data)).decode()
                self._save(owner)
                return {"count": len(content), "eof": False}
            del self._open[handle]
            return {}

    def _open_file(self, vmid: int, state: dict[str, Any], path: str, mode: str) -> int:
        written = {name: base64.b64decode(text) for name, text in state["files"].items()}
        files = {**guest_files(vmid, state["name"]), **pci_files(state.get("cards", [])), **written}
        if "w" not in mode and path not in files:
            raise DoorError(f"failed to open file '{path}' (mode: '{mode}'): No such file or directory")
        self._handles += 1
        self._open[self._handles] = (vmid, path, bytearray(b"" if "w" in mode else files[path]))
        return self._handles

    def send_key(self, vmid: int, key: str) -> None:
        """Draw a square for it."""
        with self._lock:
            state = self._get(vmid)
            state["keys"] = [*state.get("keys", []), key][-hollow_screen.MOST_KEYS :]
            self._save(vmid)

    def hmp(self, vmid: int, command: str) -> str:
        """Answer ``info status``, echo the rest."""
        state = self._get(vmid)
        return f"VM status: {'paused' if state['paused'] else 'running'}\r\n" if command == "info status" else ""

    def screenshot(self, vmid: int, target: Path) -> None:
        """Write the picture as PNG."""
        target.write_bytes(self._picture(vmid).png())

    def vnc(self, vmid: int, password: str) -> socket.socket:
        """Return a stream to the picture; DoorError if the VM has no display."""
        demand_display(vmid, self._get(vmid)["config"])
        return hollow_screen.connect(password, lambda: self._picture(vmid))

    def _picture(self, vmid: int) -> Picture:
        return hollow_screen.picture(self._get(vmid).get("keys", []))

    def serial_socket(self, vmid: int) -> Path:
        """Return where a serial console would be; there is none."""
        self._get(vmid)
        return self.folder / f"{vmid}.serial"

    def hotplug(self, vm: VmStart, key: str, value: str, log: Log) -> bool:
        """Take every device that PVE can plug in."""
        with self._lock:
            self._get(vm.vmid)["config"][key] = value
            self._save(vm.vmid)
        return True

    def unplug(self, vm: VmStart, key: str, log: Log) -> bool:
        """Let go of every device that PVE can unplug."""
        with self._lock:
            self._get(vm.vmid)["config"].pop(key, None)
            self._save(vm.vmid)
        return True

    def grow(self, vmid: int, key: str, size: int) -> None:
        """Accept the new size."""
        self._get(vmid)

    def snapshot_memory(self, vmid: int, name: str, log: Log) -> None:
        """Accept."""
        self._get(vmid)

    def restore_memory(self, vm: VmStart, name: str, log: Log) -> None:
        """Start it, as if it had gone on."""
        self.start(vm, log)

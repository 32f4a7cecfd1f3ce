"""VMs as QEMU processes. No state is kept in memory but the last CPU reading: the processes are asked."""

from __future__ import annotations

import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pvekit.lab.doors import DoorError, Log, VmStart
from pvekit.lab.qemu import agent, blockstats, console, hotplug, kvm, network, passed, process, snapshots, storage, tpm
from pvekit.lab.qemu.argv import Surroundings, command, left_out
from pvekit.lab.qemu.firmware import firmware
from pvekit.lab.qemu.guestnet import network_of
from pvekit.lab.qemu.needs import require
from pvekit.lab.qemu.place import Place, place_of
from pvekit.lab.qemu.qmp import Qmp, connect
from pvekit.lab.qemu.values import enabled

_NOT_RUNNING = "VM {} not running"
_START_SECONDS = 120.0
_STATUS_SECONDS = 3.0
_PVE_STATES = {"running": "running", "paused": "paused", "suspended": "suspended", "io-error": "io-error",
               "internal-error": "internal-error", "prelaunch": "prelaunch", "inmigrate": "inmigrate"}  # fmt: skip


class QemuMachines:
    """The door to running VMs. ``state`` is a directory of its own; everything is found again from it."""

    def __init__(self, state: Path, accelerator: kvm.Accelerator | None = None) -> None:
        """Take the state directory; ``accelerator`` None means: KVM where it really works, else TCG."""
        self._state = state
        self._accelerator = accelerator
        self._turns: defaultdict[int, threading.RLock] = defaultdict(threading.RLock)
        self._cpu: dict[int, tuple[float, float]] = {}

    def start(self, vm: VmStart, log: Log) -> None:
        """Start the VM; return when QEMU runs. DoorError if it does not."""
        self._start(vm, log, incoming=False)

    def stop(self, vmid: int, log: Log) -> None:
        """Kill the VM. Nothing happens if it does not run."""
        place = self._place(vmid)
        with self._turns[vmid]:
            running = process.load(place.record)
            if running is not None:
                running.end()
                log(f"stopped VM {vmid}")
            self._forget(vmid)

    def shutdown(self, vmid: int, timeout: float, log: Log) -> bool:
        """Ask the guest to shut down, by the agent if it answers, else by the power button; wait for the end."""
        running = self._running(vmid)
        if not self._ask_to_shut_down(vmid):
            log("guest agent does not answer, pressing the power button")
            with self._qmp(vmid) as qmp:
                qmp.execute("system_powerdown")
        ended = running.wait(timeout)
        if ended:
            self._forget(vmid)
        return ended

    def reset(self, vmid: int) -> None:
        """Press the reset button."""
        with self._qmp(vmid) as qmp:
            qmp.execute("system_reset")

    def pause(self, vmid: int) -> None:
        """Stop the CPUs."""
        with self._qmp(vmid) as qmp:
            qmp.execute("stop")

    def resume(self, vmid: int) -> None:
        """Let the CPUs go on."""
        with self._qmp(vmid) as qmp:
            qmp.execute("cont")

    def status(self, vmid: int) -> Mapping[str, Any] | None:
        """Return None when it does not run, else pid, uptime (s), qmpstatus, cpu (share of its vCPUs), mem (bytes).

        ``blockstat``, ``diskread`` and ``diskwrite`` too, as long as QEMU answers.
        """
        running = process.load(self._place(vmid).record)
        if running is None:
            return None
        state, processors = "unknown", 1
        counted: dict[str, Any] = {}
        with suppress(DoorError), self._qmp(vmid, _STATUS_SECONDS) as qmp:
            state = str(qmp.execute("query-status", timeout=_STATUS_SECONDS)["status"])
            processors = len(qmp.execute("query-cpus-fast", timeout=_STATUS_SECONDS))
            counted = blockstats.counted(qmp.execute("query-blockstats", timeout=_STATUS_SECONDS))
        return {
            "pid": running.pid,
            "uptime": running.uptime,
            "qmpstatus": _PVE_STATES.get(state, state),
            "cpu": round(self._load(vmid, running.cpu_seconds()) / max(1, processors), 4),
            "mem": running.resident(),
            **counted,
        }

    def running(self) -> Sequence[int]:
        """Return the VMIDs of all running VMs."""
        if not self._state.is_dir():
            return ()
        numbers = sorted(int(path.name) for path in self._state.iterdir() if path.name.isdigit())
        return tuple(number for number in numbers if process.load(self._place(number).record) is not None)

    def agent(self, vmid: int, command: str, arguments: Mapping[str, Any], timeout: float) -> Any:
        """Send a guest-agent command and return its ``return`` value."""
        self._running(vmid)
        if not self._agent_listens(vmid):
            raise DoorError(agent.NOT_RUNNING)
        return agent.ask(self._place(vmid).socket("qga"), command, arguments, timeout)

    def send_key(self, vmid: int, key: str) -> None:
        """Press a key combination in QEMU's notation; DoorError with QEMU's words for an unknown key."""
        refused = self.hmp(vmid, f"sendkey {key}").strip()
        if refused:
            raise DoorError(refused)

    def hmp(self, vmid: int, command: str) -> str:
        """Run a human monitor command."""
        with self._qmp(vmid) as qmp:
            return str(qmp.execute("human-monitor-command", {"command-line": command}, timeout=30))

    def screenshot(self, vmid: int, target: Path) -> None:
        """Write the console as PNG."""
        with self._qmp(vmid) as qmp:
            console.screenshot(qmp, target)

    def vnc(self, vmid: int, password: str) -> socket.socket:
        """Return a stream to the VM's VNC server, which asks for this password; DoorError without a display."""
        with self._qmp(vmid) as qmp:
            return console.open_vnc(qmp, vmid, self._place(vmid).socket("vnc"), password)

    def serial_socket(self, vmid: int) -> Path:
        """Return the unix socket of serial0."""
        self._running(vmid)
        path = self._place(vmid).socket("serial0")
        if not path.exists():
            raise DoorError(f"VM {vmid} has no serial port (set serial0: socket and restart it)")
        return path

    def serial_log(self, vmid: int) -> Path:
        """Return the file that holds all output of serial0 since the last start; it may not exist."""
        return self._place(vmid).home / "serial0.log"

    def hotplug(self, vm: VmStart, key: str, value: str, log: Log) -> bool:
        """Apply one changed key to the running VM; False when it stays pending."""
        with self._qmp(vm.vmid) as qmp:
            return hotplug.plug(qmp, vm, key, value, log)

    def unplug(self, vm: VmStart, key: str, log: Log) -> bool:
        """Remove one device from the running VM; False when it stays pending."""
        with self._qmp(vm.vmid) as qmp:
            return hotplug.unplug(qmp, vm, key, log)

    def grow(self, vmid: int, key: str, size: int) -> None:
        """Tell the running VM that its disk now has this size (bytes)."""
        self.resize_node(vmid, f"drive-{key}", size)

    def snapshot_memory(self, vmid: int, name: str, log: Log) -> None:
        """Save the RAM of the running VM under that name, its disks in the same moment."""
        with self._qmp(vmid) as qmp:
            snapshots.save(qmp, name, log)

    def restore_memory(self, vm: VmStart, name: str, log: Log) -> None:
        """Start a stopped VM in the state that ``snapshot_memory`` saved."""
        self._start(vm, log, incoming=True)
        try:
            with self._qmp(vm.vmid) as qmp:
                snapshots.load(qmp, name, log)
        except DoorError:
            self.stop(vm.vmid, log)
            raise

    def holder(self, path: Path) -> tuple[int, str] | None:
        """Return (VMID, block node) of the running VM that has this image open for writing."""
        for vmid in self.running():
            with suppress(DoorError), self._qmp(vmid, _STATUS_SECONDS) as qmp:
                node = storage.node_of(qmp.execute("query-named-block-nodes", {"flat": True}), path)
                if node:
                    return vmid, node
        return None

    def resize_node(self, vmid: int, node: str, size: int) -> None:
        """Grow an image that a running VM holds."""
        with self._qmp(vmid) as qmp:
            qmp.execute("block_resize", {"node-name": node, "size": size}, timeout=60)

    def snapshot_node(self, vmid: int, node: str, name: str) -> None:
        """Make an internal snapshot of one image that a running VM holds."""
        with self._qmp(vmid) as qmp:
            qmp.execute("blockdev-snapshot-internal-sync", {"device": node, "name": name}, timeout=120)

    def drop_node_snapshot(self, vmid: int, node: str, name: str) -> None:
        """Delete an internal snapshot of one image that a running VM holds."""
        with self._qmp(vmid) as qmp:
            qmp.execute("blockdev-snapshot-delete-internal-sync", {"device": node, "name": name}, timeout=120)

    def _start(self, vm: VmStart, log: Log, *, incoming: bool) -> None:
        require("qemu-system-x86_64")
        place = self._place(vm.vmid)
        with self._turns[vm.vmid]:
            if process.load(place.record) is not None:
                raise DoorError(f"VM {vm.vmid} already running")
            place.make()
            argv = command(vm, self._surroundings(vm, place, log, incoming=incoming))
            try:
                started = process.run_daemon(argv, place.home, place.pidfile, _START_SECONDS)
            except DoorError:
                tpm.stop(place)
                raise
            process.save(started, place.record)
        self._links(vm)

    def _surroundings(self, vm: VmStart, place: Place, log: Log, *, incoming: bool) -> Surroundings:
        chosen = self._accelerator or kvm.choose()
        if not enabled(vm.config, "kvm", "1"):
            chosen = kvm.Accelerator("tcg", "kvm=0")
        log(f"accelerator: {chosen.name} ({chosen.why})")
        for key in left_out(vm.config, passed.given(vm)):
            log(f"{key} is not there in the embedded node; the VM starts without it")
        cds = [each.path for each in storage.drives(vm) if each.cdrom and each.path is not None]
        cards = network.interfaces(vm.config)
        networks = {each.key: network_of(each.number, each.mac, vm.config, cds) for each in cards}
        forwards = network.forwards(vm.address, log) if cards else []
        found = firmware(vm, place.home / "efivars.raw")
        has_tpm = tpm.start(vm, place)
        return Surroundings(chosen, place.sockets, place.home, found, has_tpm, networks, forwards, incoming)

    def _links(self, vm: VmStart) -> None:
        down = [each.key for each in network.interfaces(vm.config) if each.link_down]
        if down:
            with self._qmp(vm.vmid) as qmp:
                for key in down:
                    qmp.execute("set_link", {"name": key, "up": False})

    def _ask_to_shut_down(self, vmid: int) -> bool:
        if not self._agent_listens(vmid):
            return False
        try:
            agent.ask(self._place(vmid).socket("qga"), "guest-shutdown", {"mode": "powerdown"}, 10.0)
        except DoorError:
            return False
        return True

    def _agent_listens(self, vmid: int) -> bool:
        """Return whether a program in the guest has the agent's port open; QEMU knows it without asking the guest."""
        if not self._place(vmid).socket("qga").exists():
            return False
        with self._qmp(vmid) as qmp:
            ports = qmp.execute("query-chardev")
        return any(port["label"] == "qga0" and port["frontend-open"] for port in ports)

    def _load(self, vmid: int, used: float) -> float:
        """Return the processors used since the last reading."""
        now = time.monotonic()
        before = self._cpu.get(vmid)
        self._cpu[vmid] = (now, used)
        if before is None or now - before[0] < 0.01 or used < before[1]:
            return 0.0
        return (used - before[1]) / (now - before[0])

    def _forget(self, vmid: int) -> None:
        place = self._place(vmid)
        tpm.stop(place)
        place.record.unlink(missing_ok=True)
        self._cpu.pop(vmid, None)

    def _place(self, vmid: int) -> Place:
        return place_of(self._state, vmid)

    def _running(self, vmid: int) -> process.Process:
        found = process.load(self._place(vmid).record)
        if found is None:
            raise DoorError(_NOT_RUNNING.format(vmid))
        return found

    @contextmanager
    def _qmp(self, vmid: int, timeout: float = 10.0) -> Iterator[Qmp]:
        self._running(vmid)
        if not self._turns[vmid].acquire(timeout=timeout):
            raise DoorError(f"VM {vmid} is busy with another command")
        try:
            with connect(self._place(vmid).socket("qmp"), timeout) as qmp:
                yield qmp
        finally:
            self._turns[vmid].release()

"""Processes that outlive the API server: found again by process id, start time and boot, never by id alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pvekit.lab.doors import DoorError

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One running program. ``started`` is its start in clock ticks since boot, ``boot`` the boot's random id."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the process that has this id now; DoorError if none has."""
        fields = _stat(pid)
        if fields is None:
            raise DoorError(f"process {pid} is gone")
        return cls(pid, int(fields[19]), _boot_id())

    @property
    def alive(self) -> bool:
        """Return whether this very process still runs; a zombie does not."""
        fields = _stat(self.pid)
        return (
            fields is not None and fields[0] not in "ZX" and int(fields[19]) == self.started and self.boot == _boot_id()
        )

    @property
    def uptime(self) -> int:
        """Return its age in seconds."""
        now = float(Path("/proc/uptime").read_text().split()[0])
        return max(0, int(now - self.started / _TICKS))

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far, 0 if it is gone."""
        fields = _stat(self.pid)
        return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0

    def resident(self) -> int:
        """Return its memory in bytes, 0 if it is gone."""
        fields = _stat(self.pid)
        return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0

    def end(self, timeout: float = 10.0) -> None:
        """Ask it to end, then kill it; return when it is gone."""
        for number, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, 10.0)):
            if not self.alive:
                return
            os.kill(self.pid, number)
            if self.wait(patience):
                return
        raise DoorError(f"process {self.pid} does not end, not even by SIGKILL")

    def wait(self, timeout: float) -> bool:
        """Return whether it ended within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.alive:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        return True


def save(process: Process, path: Path) -> None:
    """Write the record in one step."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(asdict(process)))
    partial.rename(path)


def load(path: Path) -> Process | None:
    """Return the recorded process if it still runs; a torn or missing record is none."""
    try:
        record = json.loads(path.read_text())
        process = Process(int(record["pid"]), int(record["started"]), str(record["boot"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return process if process.alive else None


def run_daemon(argv: Sequence[str], cwd: Path, pidfile: Path, timeout: float = 60.0) -> Process:
    """Run a program that goes into the background by itself and writes ``pidfile`` (QEMU, swtpm).

    It returns when the program has finished starting; DoorError holds its own words if it refused.
    """
    pidfile.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise DoorError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise DoorError(f"start failed: {argv[0]} did not start within {timeout:.0f} s") from error
    if done.returncode:
        raise DoorError(f"start failed: {argv[0]} exited with code {done.returncode}: {done.stderr.strip()}")
    try:
        return Process.of(int(pidfile.read_text()))
    except (OSError, ValueError) as error:
        raise DoorError(f"start failed: {argv[0]} left no process id in {pidfile}") from error


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third (state) on; the second may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()

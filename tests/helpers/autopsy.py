"""What became of the guests of an embedded node: for the message of a test that failed, while they still run."""

from __future__ import annotations

import re
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu import process
from pvekit.lab.qemu.machines import QemuMachines

_LINES = 25
_QUESTIONS = ("info status", "info registers", "info chardev")
_TELLING = re.compile(r"status|RIP=|HLT=|qga|serial0")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n -~]")


def report(data: Path) -> str:
    """Return, for each VM under a data folder: whether it lives, what its processors do, the end of its console."""
    state = data / "pvekit" / "lab" / "qemu"
    folders = sorted(state.iterdir()) if state.is_dir() else []
    log = data / "pvekit" / "lab" / "daemon.log"
    said = [f"--- the node's log\n{_end(log)}"] if log.exists() else []
    return "\n".join([_guest(state, folder) for folder in folders if folder.name.isdigit()] + said)


def _guest(state: Path, folder: Path) -> str:
    lives = process.load(folder / "process.json")
    lines = [f"--- VM {folder.name}: " + (f"{lives.uptime} s, {lives.cpu_seconds():.0f} s CPU" if lives else "ended")]
    if lives:
        machines = QemuMachines(state)
        for question in _QUESTIONS:
            try:
                answer = machines.hmp(int(folder.name), question)
            except DoorError as error:
                answer = f"status: {question}: {error}"
            lines += [line.strip() for line in answer.splitlines() if _TELLING.search(line)]
    return "\n".join([*lines, *(f"{path.name}: {_end(path)}" for path in sorted(folder.glob("*.log")))])


def _end(path: Path) -> str:
    text = _ESCAPES.sub("", path.read_bytes().decode(errors="replace").replace("\r", ""))
    return "\n".join(text.splitlines()[-_LINES:])

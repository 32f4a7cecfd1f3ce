"""Tasks: work that goes on after the request, with a log and a status that outlive it.

What a task has half done is written down before it is done (``Task.undo``). A task that fails, or that was
running when the node was stopped, has these steps undone, last first.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvekit.lab.doors import DoorError
from pvekit.lab.errors import Refused, TaskFailed
from pvekit.lab.store import write_atomic
from pvekit.lab.upid import Upid, parse_upid

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

KEPT = 1000
"""Ended tasks that a node remembers over its restart."""
Undo = Callable[["Lab", Mapping[str, Any]], None]
_undoers: dict[str, Undo] = {}


def undoes(step: str) -> Callable[[Undo], Undo]:
    """Register the function that undoes a step of this name."""

    def register(function: Undo) -> Undo:
        _undoers[step] = function
        return function

    return register


class Task:
    """One task: its log, its end, and what to undo should it not end well."""

    def __init__(self, upid: Upid, folder: Path) -> None:
        """Begin without a log."""
        self.upid = upid
        self.path = folder / str(upid).replace("/", "%2F")
        self.lines: list[str] = []
        self.steps: list[dict[str, Any]] = []
        self.end: int | None = None
        self.exit = ""
        self.warnings = 0
        self.done = threading.Event()
        self.stop = threading.Event()
        """Set when somebody asked to stop the task; long workers look at it."""

    def log(self, text: str) -> None:
        """Add lines to the log."""
        lines = text.splitlines() or [""]
        self.lines += lines
        with self.path.with_name(self.path.name + ".log").open("a", encoding="utf-8") as stream:
            stream.write("".join(line + "\n" for line in lines))

    def warn(self, text: str) -> None:
        """Add a warning: the task ends with ``WARNINGS: N``."""
        self.warnings += 1
        self.log(f"WARN: {text}")

    def undo(self, step: str, **facts: Any) -> None:
        """Write down, before doing it, how to undo what comes next."""
        self.steps.append({"step": step, **facts})
        self.save()

    def keep(self) -> None:
        """Everything done so far stays, whatever comes."""
        if self.steps:
            self.steps = []
            self.save()

    def finish(self, status: str) -> None:
        """End the task with this exit status."""
        self.log("TASK OK" if status == "OK" else f"TASK {status}" if self.warnings else f"TASK ERROR: {status}")
        self.exit, self.end, self.steps = status, int(time.time()), []
        self.save()
        self.done.set()

    def demand_going_on(self) -> None:
        """Raise TaskFailed if somebody asked to stop the task."""
        if self.stop.is_set():
            raise TaskFailed("received interrupt")

    def save(self) -> None:
        """Write the status to disk."""
        document = {"upid": str(self.upid), "steps": self.steps, "end": self.end, "exit": self.exit}
        write_atomic(self.path.with_name(self.path.name + ".json"), json.dumps(document).encode())

    def row(self) -> dict[str, Any]:
        """Return the fields that every listing of tasks shows."""
        row: dict[str, Any] = {
            "upid": str(self.upid),
            "node": self.upid.node,
            "pid": self.upid.pid,
            "pstart": self.upid.pstart,
            "starttime": self.upid.start,
            "type": self.upid.kind,
            "id": self.upid.subject,
            "user": self.upid.user,
        }
        if self.upid.token:
            row["tokenid"] = self.upid.token
        return row


class Tasks:
    """All tasks of the node, running and ended."""

    def __init__(self, folder: Path, delays: Mapping[str, float]) -> None:
        """Load the index of ended tasks; ``recover`` deals with the ones that did not end."""
        self.folder = folder
        self.delays = delays
        folder.mkdir(parents=True, exist_ok=True)
        self._tasks: dict[str, Task] = {}
        for path in sorted(folder.glob("*.json")):
            self._load(path)
        for task in self.newest()[KEPT:]:
            if task.end is not None:
                self._drop(task)
        highest = max((task.upid.pid for task in self._tasks.values()), default=999)
        self._pids = itertools.count(highest + 1)
        self._lock = threading.Lock()

    def _load(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        upid = parse_upid(document["upid"])
        if upid is None:
            return
        task = Task(upid, self.folder)
        task.steps, task.end, task.exit = document["steps"], document["end"], document["exit"]
        with suppress(FileNotFoundError):
            task.lines = (self.folder / (path.stem + ".log")).read_text(encoding="utf-8").splitlines()
        if task.end is not None:
            task.done.set()
        self._tasks[document["upid"]] = task

    def _drop(self, task: Task) -> None:
        for ending in (".log", ".json"):
            task.path.with_name(task.path.name + ending).unlink(missing_ok=True)
        del self._tasks[str(task.upid)]

    def recover(self, lab: Lab) -> None:
        """End every task that was cut off, and undo what it had half done."""
        for task in list(self._tasks.values()):
            if task.end is None:
                _undo_all(lab, task)
                task.finish("interrupted by a restart of the node")

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
        """Run the work in a thread and return its UPID at once; ``undo`` holds what was done for it already."""
        with self._lock:
            now = time.time()
            upid = Upid(
                node or lab.settings.nodes[0], next(self._pids) & 0xFFFFFFFF, int(time.monotonic() * 100) & 0xFFFFFFFF,
                int(now), kind, subject, auth_id,
            )  # fmt: skip
            task = Task(upid, self.folder)
            task.steps = [dict(step) for step in undo]
            self._tasks[str(upid)] = task
        task.save()
        threading.Thread(target=self._run, args=(lab, task, work), name=str(upid), daemon=True).start()
        return str(upid)

    def _run(self, lab: Lab, task: Task, work: Callable[[Task], None]) -> None:
        try:
            task.stop.wait(self.delays.get(task.upid.kind, 0.0))
            task.demand_going_on()
            work(task)
        except (TaskFailed, DoorError, Refused, OSError) as failure:
            _undo_all(lab, task)
            task.finish(str(failure).strip() or type(failure).__name__)
        else:
            task.finish(f"WARNINGS: {task.warnings}" if task.warnings else "OK")
        finally:
            if task.end is None:
                _undo_all(lab, task)
                task.finish("unexpected error in the node; see its log")

    def get(self, upid: str) -> Task | None:
        """Return the task, None if there is none."""
        return self._tasks.get(upid)

    def newest(self) -> list[Task]:
        """Return all tasks, the latest first."""
        return sorted(self._tasks.values(), key=lambda task: (task.upid.start, task.upid.pid), reverse=True)

    def wait(self, seconds: float) -> bool:
        """Wait for all running tasks; return whether they ended in time."""
        deadline = time.monotonic() + seconds
        return all(task.done.wait(max(0.0, deadline - time.monotonic())) for task in list(self._tasks.values()))


def _undo_all(lab: Lab, task: Task) -> None:
    for step in reversed(task.steps):
        undoer = _undoers.get(step["step"])
        if undoer is None:
            task.log(f"cannot undo '{step['step']}': unknown step")
            continue
        try:
            undoer(lab, step)
        except (OSError, DoorError, Refused) as failure:
            task.log(f"could not undo '{step['step']}': {failure}")

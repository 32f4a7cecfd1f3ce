"""One poller for all running tasks: few requests, no poll after the end, the log as it grows."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from pvekit.adapters.pve.client import Pve
from pvekit.adapters.pve.errors import Cause, cause
from pvekit.adapters.pve.upid import parse_upid
from pvekit.model.errors import (
    ApiError,
    HostUnreachable,
    NotFound,
    ParameterRejected,
    PvekitError,
    ServerBusy,
    TaskFailed,
)
from pvekit.model.task import TaskResult, ending_of

OnLog = Callable[[str], None]

SHORTEST, LONGEST = 0.1, 1.0
"""Seconds between two looks at a task: a sixteenth of its age so far, within these."""
LOG_CHUNK = 500
GRACE = 5.0
"""Seconds in which PVE may not know a UPID that it has just given out (the worker writes it a moment later)."""
PATIENCE = 60.0
"""Seconds for which a server that does not answer is asked again; its tasks go on without us."""
# pve-common, PVE/Tools.pm dump_logfile: what stands in place of an empty or not yet existing log.
_NO_LOG = ("no content", "unable to open file - ")


@dataclass
class _Watch:
    """One task being waited for."""

    upid: str
    path: str
    listens: bool
    started: float
    news: queue.SimpleQueue[tuple[_Watch, str | None]]
    log: list[str] = field(default_factory=list)
    failing_since: float | None = None
    result: TaskResult | None = None
    error: PvekitError | None = None
    dropped: bool = False

    def end(self) -> None:
        """Tell the waiter that there is a result or an error."""
        self.news.put((self, None))


class TaskPoller:
    """Waits for tasks. At most ``workers`` requests at once, however many tasks run."""

    def __init__(self, pve: Pve, *, workers: int = 4) -> None:
        """Nothing runs before the first ``wait``."""
        self._pve = pve
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._due: list[tuple[float, int, _Watch]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._closed = False

    def __enter__(self) -> TaskPoller:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the poller's threads."""
        self.close()

    def close(self) -> None:
        """Stop polling; the tasks themselves go on."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def wait(self, upid: str, on_log: OnLog | None = None, timeout: float | None = None) -> TaskResult:
        """Wait for the end of a task and return how it ended, with its whole log.

        ``on_log`` gets every line as it comes, in the thread that waits; a line still being written when it was
        read comes again once it is whole. TaskFailed when ``timeout`` seconds pass (the task goes on, see
        ``abort``), NotFound for a UPID that PVE does not know, HostUnreachable when the server stays away.
        """
        told = None if on_log is None else (lambda _upid, line: on_log(line))
        return self.wait_many([upid], told, timeout)[0]

    def wait_many(
        self,
        upids: Sequence[str],
        on_log: Callable[[str, str], None] | None = None,
        timeout: float | None = None,
    ) -> list[TaskResult]:
        """Wait for all tasks; results in the same order. ``on_log`` gets UPID and line. Raises as ``wait`` does."""
        news: queue.SimpleQueue[tuple[_Watch, str | None]] = queue.SimpleQueue()
        end = None if timeout is None else time.monotonic() + timeout
        watches: list[_Watch] = []
        try:
            watches.extend(self._watch(upid, news, listens=on_log is not None) for upid in upids)
            open_ones = len(watches)
            while open_ones:
                try:
                    watch, line = news.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
                except queue.Empty:
                    raise _too_long(watches, timeout) from None
                if line is None:
                    open_ones -= 1
                    if watch.error is not None:
                        raise watch.error
                elif on_log is not None:
                    on_log(watch.upid, line)
        finally:
            for watch in watches:
                watch.dropped = True
        return [watch.result for watch in watches if watch.result is not None]

    def abort(self, upid: str) -> None:
        """Ask PVE to stop a task. Nothing happens if it has ended already."""
        self._pve.request("DELETE", f"/nodes/{parse_upid(upid).node}/tasks/{upid}", repeatable=True)

    def _watch(self, upid: str, news: queue.SimpleQueue[tuple[_Watch, str | None]], *, listens: bool) -> _Watch:
        path = f"/nodes/{parse_upid(upid).node}/tasks/{upid}"
        now = time.monotonic()
        watch = _Watch(upid, path, listens, now, news)
        with self._wake:
            if self._closed:
                raise TaskFailed("the poller is closed", where=upid)
            heapq.heappush(self._due, (now, next(self._order), watch))
            if len(self._threads) < min(self._workers, len(self._due)):
                thread = threading.Thread(target=self._run, name="pvekit-tasks", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._wake.notify()
        return watch

    def _run(self) -> None:
        while True:
            watch = self._next()
            if watch is None:
                return
            ended = True
            watch.error = TaskFailed("the poller broke while looking at it", where=watch.upid)
            try:
                ended = self._look(watch)
                watch.error = None
            except PvekitError as error:
                watch.error = self._unbearable(watch, error)
                ended = watch.error is not None
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                watch.error = ApiError(f"PVE answered in an unknown form ({error!r})", status=200, where=watch.path)
            finally:  # whatever happens here, nobody may wait for ever
                if ended:
                    watch.end()
                else:
                    self._again(watch)

    def _again(self, watch: _Watch) -> None:
        pause = min(LONGEST, max(SHORTEST, (time.monotonic() - watch.started) / 16))
        with self._wake:
            heapq.heappush(self._due, (time.monotonic() + pause, next(self._order), watch))
            self._wake.notify()

    def _next(self) -> _Watch | None:
        """Return the next task to look at when its time has come; None when the poller is closed."""
        with self._wake:
            while True:
                if self._closed:
                    for _, _, watch in self._due:
                        watch.error = TaskFailed("the poller was closed before the task ended", where=watch.upid)
                        watch.end()
                    self._due.clear()
                    return None
                now = time.monotonic()
                while self._due and self._due[0][2].dropped:
                    heapq.heappop(self._due)
                if self._due and self._due[0][0] <= now:
                    return heapq.heappop(self._due)[2]
                self._wake.wait(self._due[0][0] - now if self._due else None)

    def _look(self, watch: _Watch) -> bool:
        """Read status and new log lines; return whether the task has ended."""
        status: dict[str, Any] = self._pve.get(f"{watch.path}/status")
        ended = status.get("status") == "stopped"
        if ended or watch.listens:
            self._read_log(watch, whole=ended)
        watch.failing_since = None
        if ended:
            exitstatus = str(status.get("exitstatus", "unexpected status"))
            watch.result = TaskResult(watch.upid, ending_of(exitstatus), exitstatus, tuple(watch.log))
        return ended

    def _read_log(self, watch: _Watch, *, whole: bool) -> None:
        """Read on from the last known line, which is read again: it may have been half written."""
        while True:
            start = max(0, len(watch.log) - 1)
            rows = self._pve.get(f"{watch.path}/log", start=start, limit=LOG_CHUNK)
            lines = [str(row["t"]) for row in rows if not (row["n"] == 1 and str(row["t"]).startswith(_NO_LOG))]
            fresh = lines[1:] if watch.log and lines[:1] == watch.log[-1:] else lines
            watch.log[start:] = lines if lines else watch.log[start:]
            if watch.listens:
                for line in fresh:
                    watch.news.put((watch, line))
            if not whole or len(rows) < LOG_CHUNK:
                return

    def _unbearable(self, watch: _Watch, error: PvekitError) -> PvekitError | None:
        """Return None to go on in spite of the error, else the error."""
        now = time.monotonic()
        watch.failing_since = watch.failing_since if watch.failing_since is not None else now
        unknown = isinstance(error, NotFound | ParameterRejected) or cause(error) is Cause.MISSING
        if unknown and now - watch.started < GRACE:
            return None
        if isinstance(error, HostUnreachable | ServerBusy) and now - watch.failing_since < PATIENCE:
            return None
        return error


def _too_long(watches: Sequence[_Watch], timeout: float | None) -> TaskFailed:
    late = [watch.upid for watch in watches if watch.result is None]
    return TaskFailed(
        f"did not end within {timeout:g} s; it still runs",
        where=", ".join(late),
        hint="Look at its log on the node (Datacenter, Tasks), or wait longer.",
    )

"""Waiting for tasks: few requests, the log as it grows and complete, nothing after the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pvekit.adapters.pve import Endpoint, Pve, TaskPoller, Token, start, tasks
from pvekit.adapters.pve.client import _Line
from pvekit.model.errors import ApiError, HostUnreachable, NotFound, TaskFailed
from pvekit.model.task import Ending
from tests.helpers.schema import SentRequests

UPID = "UPID:pve:00000001:00000002:00000003:qmcreate:100:root@pam!t:"


class Server(Pve):
    """A Pve whose answers are a function of the path: no network, the poller's own logic only."""

    def __init__(self) -> None:
        nowhere = Endpoint(("https://nowhere.invalid",), token=Token("a@b!c", "dddd"))
        super().__init__(nowhere, _Line(nowhere), None, ticket=False)
        self.sent: list[str] = []
        self.states: dict[str, list[Any]] = {}
        self.logs: dict[str, list[str]] = {}
        self.placeholder = "no content"

    def request(self, method: str, path: str, params: Any = None, *, repeatable: bool = False) -> Any:
        self.sent.append(f"{method} {path}")
        upid, _, what = path.removeprefix("/nodes/pve/tasks/").partition("/")
        if what == "status":
            states = self.states[upid]
            state = states.pop(0) if len(states) > 1 else states[0]
            if isinstance(state, Exception):
                raise state
            return {"status": "running"} if state is None else {"status": "stopped", "exitstatus": state}
        if what == "log":
            lines = self.logs.get(upid, [])
            if not lines:
                return [{"n": 1, "t": self.placeholder}]
            first = params["start"]
            return [{"n": first + n + 1, "t": t} for n, t in enumerate(lines[first : first + params["limit"]])]
        return None


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def poller(server: Server) -> Iterator[TaskPoller]:
    with TaskPoller(server) as made:
        yield made


def test_a_task_that_has_ended_costs_two_requests(server: Server, poller: TaskPoller) -> None:
    server.states[UPID] = ["OK"]
    server.logs[UPID] = ["creating", "TASK OK"]
    result = poller.wait(UPID)
    assert (result.ending, result.log) == (Ending.OK, ("creating", "TASK OK"))
    time.sleep(0.3)
    assert server.sent == [f"GET /nodes/pve/tasks/{UPID}/status", f"GET /nodes/pve/tasks/{UPID}/log"]


def test_long_logs_come_whole(server: Server, poller: TaskPoller) -> None:
    server.states[UPID] = ["unable to create VM"]
    for count in (0, 1, 499, 500, 501, 1500):
        server.logs[UPID] = [f"line {n}" for n in range(count)]
        seen: list[str] = []
        result = poller.wait(UPID, seen.append)
        assert list(result.log) == server.logs[UPID] == seen
        assert result.ending is Ending.FAILURE
    assert result.tail(2) == "line 1498\nline 1499"


@pytest.mark.parametrize("placeholder", ["no content", "unable to open file - No such file or directory"])
def test_log_grows(server: Server, poller: TaskPoller, placeholder: str) -> None:
    server.placeholder = placeholder
    server.states[UPID] = [None]
    seen: list[str] = []
    done: list[Any] = []
    waiter = threading.Thread(target=lambda: done.append(poller.wait(UPID, seen.append)))
    waiter.start()
    for lines in ([], ["a"], ["a", "b", "half"], ["a", "b", "half a line", "c"]):
        server.logs[UPID] = lines
        time.sleep(0.25)
    server.logs[UPID] = ["a", "b", "half a line", "c", "TASK WARNINGS: 1"]
    server.states[UPID] = ["WARNINGS: 1"]
    waiter.join()
    assert seen == ["a", "b", "half", "half a line", "c", "TASK WARNINGS: 1"]
    assert done[0].log == ("a", "b", "half a line", "c", "TASK WARNINGS: 1")
    assert done[0].ending is Ending.WARNINGS
    assert done[0].ok


def test_a_upid_that_pve_does_not_know_yet(server: Server, poller: TaskPoller, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = NotFound("no such task", status=400)
    server.states[UPID] = [unknown, unknown, "OK"]
    assert poller.wait(UPID).ok
    monkeypatch.setattr(tasks, "GRACE", 0.3)
    server.states[UPID] = [unknown]
    with pytest.raises(NotFound):
        poller.wait(UPID)


def test_a_server_that_comes_back(server: Server, poller: TaskPoller, monkeypatch: pytest.MonkeyPatch) -> None:
    away = HostUnreachable("no answer")
    server.states[UPID] = [away, away, away, "OK"]
    assert poller.wait(UPID).ok
    monkeypatch.setattr(tasks, "PATIENCE", 0.3)
    server.states[UPID] = [away]
    with pytest.raises(HostUnreachable):
        poller.wait(UPID)


def test_other_errors_are_told_at_once(server: Server, poller: TaskPoller) -> None:
    server.states[UPID] = [ApiError("strange", status=501)]
    with pytest.raises(ApiError, match="strange"):
        poller.wait(UPID)
    assert len(server.sent) == 1


def test_timeout_leaves_the_task_alone(server: Server, poller: TaskPoller) -> None:
    server.states[UPID] = [None]
    with pytest.raises(TaskFailed, match="still runs"):
        poller.wait(UPID, timeout=0.3)
    count = len(server.sent)
    assert 2 <= count <= 5
    time.sleep(0.4)
    assert len(server.sent) <= count + 1
    poller.abort(UPID)
    assert server.sent[-1] == f"DELETE /nodes/pve/tasks/{UPID}"


def test_many_at_once_keep_their_order(server: Server, poller: TaskPoller) -> None:
    upids = [UPID.replace("00000001", f"{n:08X}") for n in range(1, 40)]
    for n, upid in enumerate(upids):
        server.states[upid] = [None] * (n % 3) + ["OK" if n % 5 else "VM is locked (backup)"]
        server.logs[upid] = [f"log of {n}"]
    lines: list[tuple[str, str]] = []
    results = poller.wait_many(upids, lambda upid, line: lines.append((upid, line)))
    assert [result.upid for result in results] == upids
    assert [result.ok for result in results] == [bool(n % 5) for n in range(len(upids))]
    assert sorted(lines) == sorted((upid, f"log of {n}") for n, upid in enumerate(upids))
    assert len(poller._threads) <= 4


def test_a_listener_that_fails_is_told_to_the_waiter(server: Server, poller: TaskPoller) -> None:
    server.states[UPID] = ["OK"]
    server.logs[UPID] = ["x"]

    def broken(line: str) -> None:
        raise KeyError(line)

    with pytest.raises(KeyError):
        poller.wait(UPID, broken)
    assert poller.wait(UPID).ok


def test_a_strange_answer_is_an_error(server: Server, poller: TaskPoller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "request", lambda *_args, **_more: None)
    with pytest.raises(ApiError, match="unknown form"):
        poller.wait(UPID)


def test_closing_wakes_the_waiters(server: Server) -> None:
    server.states[UPID] = [None]
    poller = TaskPoller(server)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            poller.wait(UPID)
        except TaskFailed as error:
            raised.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.2)
    poller.close()
    waiter.join(2)
    assert len(raised) == 1
    with pytest.raises(TaskFailed, match="closed"):
        poller.wait(UPID)


@pytest.mark.fakepve(time_scale=0.02)
def test_slow_tasks_over_the_network(pve: Pve, fakepve: Any, sent: SentRequests) -> None:
    for vmid in range(100, 106):
        fakepve.add_vm(vmid, f"vm{vmid}").start_secs = 25
    fakepve.add_vm(106, "broken").start_error = "start failed: QEMU exited with code 1"
    with TaskPoller(pve) as poller:
        upids = [start(pve, "pve1", vmid) for vmid in range(100, 107)]
        began = time.monotonic()
        results = poller.wait_many(upids)
        took = time.monotonic() - began
    assert [result.ok for result in results] == [True] * 6 + [False]
    assert results[6].exitstatus == "start failed: QEMU exited with code 1"
    assert results[6].log[-1].startswith("TASK ERROR: start failed")
    assert took < 1.5
    assert sent.count("GET", "/status") < 7 * 9

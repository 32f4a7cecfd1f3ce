"""Screen, keyboard and drive counters of VMs on the embedded node, over its API; hollow VMs draw the keys pressed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.pve import Cause, Endpoint, Pve, Token, Trust, block_reads, cause, screenshot, send_key
from pvekit.adapters.pve.transport import Lost, Phase
from pvekit.lab import hollow_screen
from pvekit.lab.hollow import HollowMachines
from pvekit.model.errors import ApiError, Conflict, NotFound, PermissionDenied
from tests.helpers.schema import SentRequests
from tests.lab.running import Client, RunningLab

VM = "/nodes/pve/qemu/100"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunningLab]:
    running = RunningLab(tmp_path / "state")
    yield running
    running.lab.tasks.wait(20)
    running.close()


@pytest.fixture
def api(lab: RunningLab) -> Iterator[Client]:
    client = lab.client()
    lab.wait(client.post("/nodes/pve/qemu", vmid=100, scsi0="local:1", ide2="none,media=cdrom"))
    yield client
    client.close()


def endpoint(lab: RunningLab, token: Token) -> Endpoint:
    return Endpoint((f"https://127.0.0.1:{lab.server.port}",), Trust((lab.lab.fingerprint,)), token)


@pytest.fixture
def pve(lab: RunningLab, api: Client, sent: SentRequests) -> Iterator[Pve]:
    token = Token(lab.secrets["token_id"], lab.secrets["token_secret"])
    with Pve.open(endpoint(lab, token), on_request=sent) as opened:
        yield opened
    sent.check()


@pytest.fixture
def started(lab: RunningLab, api: Client, pve: Pve) -> Pve:
    lab.wait(api.post(f"{VM}/status/start"))
    return pve


def test_keys_change_the_picture(started: Pve) -> None:
    seen = [screenshot(started, "pve", 100)]
    for key in ("ret", "ctrl-alt-delete"):
        send_key(started, "pve", 100, key)
        seen.append(screenshot(started, "pve", 100))
    expected = [hollow_screen.picture(keys).png() for keys in ([], ["ret"], ["ret", "ctrl-alt-delete"])]
    assert seen == expected
    assert len(set(expected)) == 3


def test_several_look_at_once(started: Pve) -> None:
    seen: list[bytes] = []
    threads = [threading.Thread(target=lambda: seen.append(screenshot(started, "pve", 100))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [hollow_screen.picture([]).png()] * 6


def test_a_stopped_vm_shows_nothing(pve: Pve) -> None:
    with pytest.raises(ApiError, match="does not run") as stopped:
        screenshot(pve, "pve", 100)
    assert stopped.value.hint == "Start it."
    with pytest.raises(Conflict) as pressed:
        send_key(pve, "pve", 100, "ret")
    assert cause(pressed.value) is Cause.STOPPED
    assert block_reads(pve, "pve", 100, "scsi0") == 0


def test_a_vm_that_is_not_there(pve: Pve) -> None:
    with pytest.raises(NotFound):
        screenshot(pve, "pve", 999)


@pytest.mark.parametrize("display", ["none", "serial0"])
def test_no_display(lab: RunningLab, api: Client, pve: Pve, display: str) -> None:
    api.put(f"{VM}/config", vga=display, serial0="socket")
    lab.wait(api.post(f"{VM}/status/start"))
    with pytest.raises(ApiError, match="closed the screen before a picture came") as dark:
        screenshot(pve, "pve", 100)
    assert "vga: none" in dark.value.hint


def test_versions_whose_ticket_is_the_password(started: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    """VNC looks at eight bytes of the ticket; here these are the password, so the same way leads in."""
    whole = started.request

    def older(*arguments: Any, **options: Any) -> Any:
        answer = whole(*arguments, **options)
        answer.pop("password")
        return answer

    monkeypatch.setattr(started, "request", older)
    assert screenshot(started, "pve", 100) == hollow_screen.picture([]).png()


def test_a_password_that_was_changed_meanwhile(
    started: Pve, monkeypatch: pytest.MonkeyPatch, sent: SentRequests
) -> None:
    """Once is bad luck and tried again, twice is an error."""
    whole, wrong = started.request, ["xxxxxxxx"]

    def changed(*arguments: Any, **options: Any) -> Any:
        answer = whole(*arguments, **options)
        return {**answer, "password": wrong.pop()} if wrong else answer

    monkeypatch.setattr(started, "request", changed)
    assert screenshot(started, "pve", 100)
    wrong += ["yyyyyyyy", "zzzzzzzz"]
    with pytest.raises(ApiError, match="Authentication failed") as refused:
        screenshot(started, "pve", 100)
    assert "yyyyyyyy" not in f"{refused.value} {refused.value.hint}"
    assert sent.count("POST", "vncproxy") == 4


def test_a_screen_that_says_nothing_is_left_in_time(started: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[socket.socket] = []

    def silent(*_: Any) -> socket.socket:
        ours, theirs = socket.socketpair()
        ends.append(theirs)
        return ours

    monkeypatch.setattr(HollowMachines, "vnc", silent)
    begun = time.monotonic()
    with pytest.raises(ApiError, match=r"no picture within 0\.3 s"):
        screenshot(started, "pve", 100, timeout=0.3)
    assert time.monotonic() - begun < 3
    for end in ends:
        end.close()


def test_a_token_that_may_not(lab: RunningLab, api: Client, started: Pve) -> None:
    api.post("/access/users", userid="guest@pve")
    made = api.post("/access/users/guest@pve/token/t1", privsep="0")
    api.put("/access/acl", path="/", roles="PVEAuditor", users="guest@pve")
    with Pve.open(endpoint(lab, Token(made["full-tokenid"], made["value"]))) as poor:
        with pytest.raises(PermissionDenied, match=r"VM\.Console"):
            screenshot(poor, "pve", 100)
        with pytest.raises(PermissionDenied, match=r"VM\.Console"):
            send_key(poor, "pve", 100, "ret")


def test_a_press_whose_answer_was_lost_is_sent_again(
    started: Pve, monkeypatch: pytest.MonkeyPatch, sent: SentRequests
) -> None:
    whole, losses = started._call, [Lost(Phase.RECEIVE, "the node", "cut", 9)]

    def lossy(*arguments: Any) -> Any:
        answer = whole(*arguments)
        if losses:
            raise losses.pop()
        return answer

    monkeypatch.setattr(started, "_call", lossy)
    send_key(started, "pve", 100, "ret")
    assert sent.count("PUT", "sendkey") == 2
    assert screenshot(started, "pve", 100) == hollow_screen.picture(["ret", "ret"]).png()


def test_reads_grow(started: Pve) -> None:
    first = block_reads(started, "pve", 100, "scsi0")
    time.sleep(0.2)
    second = block_reads(started, "pve", 100, "scsi0")
    assert second > first
    assert block_reads(started, "pve", 100, "ide2") == 0
    assert block_reads(started, "pve", 100, "sata0") >= second, "the sum over all drives"

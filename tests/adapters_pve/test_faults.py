"""Dropped connections, lost answers, passing errors, refused tokens: what is repeated, what is not, what is said."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakepve.certs import make_cert
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvekit.adapters.pve import Endpoint, Login, Pve, Token, Trust, settle, upload
from pvekit.model.errors import (
    ApiError,
    AuthFailed,
    Conflict,
    HostUnreachable,
    PvekitError,
    ServerBusy,
    WriteUncertain,
)
from tests.adapters_pve.faulty import Drop, FaultyServer, Reply, Silence, Step

GOOD = Reply(body={"data": "fine"})
TOKEN = Token("root@pam!t", "secret-of-token")
LOCK = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    cert, key, der = make_cert(str(tmp_path_factory.mktemp("pki")), hosts=("127.0.0.1",))
    return cert, key, hashlib.sha256(der).hexdigest()


@pytest.fixture
def server(pki: tuple[str, str, str]) -> Iterator[FaultyServer]:
    made = FaultyServer(pki[0], pki[1])
    yield made
    made.close()


Opener = Callable[..., Pve]


@pytest.fixture
def opened(server: FaultyServer, pki: tuple[str, str, str]) -> Iterator[Opener]:
    made: list[Pve] = []

    def open_it(*urls: str, token: Token | None = TOKEN, **more: Any) -> Pve:
        endpoint = Endpoint(urls or (server.url,), Trust((pki[2],)), token, **more)
        one = Pve.open(endpoint)
        one._sleep = lambda seconds: None
        made.append(one)
        return one

    yield open_it
    for one in made:
        one.close()


def failed(status: int, text: str) -> Reply:
    return Reply(status, text, {"message": text + "\n", "data": None})


READS: list[tuple[str, list[Step]]] = [
    ("closed in the TLS handshake", [Drop("handshake"), Drop("handshake"), GOOD]),
    ("reset in the TLS handshake", [Drop("handshake", reset=True), GOOD]),
    ("closed after the request", [Drop("request"), Drop("request"), GOOD]),
    ("reset after the request", [Drop("request", reset=True), GOOD]),
    ("half an answer", [Drop("answer"), GOOD]),
    ("status 502", [failed(502, "proxy"), GOOD]),
    ("status 503", [failed(503, "proxy"), GOOD]),
    ("status 504", [failed(504, "proxy"), GOOD]),
    ("status 595", [failed(595, "No route to host"), GOOD]),
    ("status 596", [failed(596, "Broken pipe"), GOOD]),
    ("status 599", [failed(599, "Too many redirections"), GOOD]),
    ("lock time-out", [failed(500, LOCK), GOOD]),
    ("no worker", [failed(500, "got no worker upid - start worker failed"), GOOD]),
    ("pmxcfs restarts", [failed(500, "ipcc_send_rec[1] failed: Connection refused"), GOOD]),
    ("silence", [Silence(1.5), GOOD]),
]


@pytest.mark.parametrize("steps", [pytest.param(steps, id=name) for name, steps in READS])
def test_reads_are_repeated(server: FaultyServer, opened: Opener, steps: list[Step]) -> None:
    server.script(*steps)
    assert opened(read_timeout=0.5).get("/version") == "fine"
    assert len(server.requests) + sum(isinstance(step, Drop) and step.when == "handshake" for step in steps) == len(
        steps
    )


@pytest.mark.parametrize(
    ("step", "error"),
    [
        pytest.param(failed(500, "Configuration file 'nodes/pve/qemu-server/9.conf' does not exist"), "NotFound"),
        pytest.param(failed(500, "VM is locked (backup)"), "Conflict"),
        pytest.param(failed(500, "no options specified"), "ApiError"),
        pytest.param(failed(403, "Permission check failed (/vms/100, VM.Audit)"), "PermissionDenied"),
        pytest.param(failed(500, "VM 100 qmp command 'guest-ping' failed - got timeout"), "ApiError"),
        pytest.param(failed(501, "Method 'GET /nope' not implemented"), "ApiError"),
    ],
)
def test_final_answers_are_asked_once(server: FaultyServer, opened: Opener, step: Reply, error: str) -> None:
    server.script(step)
    with pytest.raises(ApiError) as raised:
        opened().get("/x")
    assert type(raised.value).__name__ == error
    assert raised.value.message == step.reason
    assert len(server.requests) == 1


def test_trouble_that_stays_is_told(server: FaultyServer, opened: Opener) -> None:
    server.script(failed(596, "Broken pipe"))
    with pytest.raises(ServerBusy, match="GET /version: Broken pipe"):
        opened(attempts=4).get("/version")
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "step",
    [
        Drop("request"),
        Drop("request", reset=True),
        Drop("answer"),
        Silence(1.5),
        *(failed(status, "proxy") for status in (502, 503, 504, 596, 597, 598, 599)),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_write_with_a_lost_answer_is_sent_once(server: FaultyServer, opened: Opener, method: str, step: Step) -> None:
    server.script(step, GOOD)
    with pytest.raises(WriteUncertain, match=f"{method} /nodes/pve/qemu/100"):
        opened(read_timeout=0.3).request(method, "/nodes/pve/qemu/100", {"a": 1})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "step", [Drop("handshake"), Drop("handshake", reset=True), failed(595, "Connection refused")], ids=str
)
def test_a_write_that_never_arrived_is_repeated(server: FaultyServer, opened: Opener, step: Step) -> None:
    server.script(step, GOOD)
    assert opened().post("/nodes/pve/qemu", vmid=100) == "fine"


def test_a_write_is_not_repeated_for_a_lock_or_a_plain_500(server: FaultyServer, opened: Opener) -> None:
    server.script(failed(500, LOCK), failed(500, "got no worker upid - start worker failed"), GOOD)
    pve = opened()
    for _ in range(2):
        with pytest.raises(ServerBusy):
            pve.put("/x", a=1)
    assert len(server.requests) == 2


def test_settle_looks_before_it_repeats(server: FaultyServer, opened: Opener) -> None:
    pve = opened()
    asked: list[float] = []
    server.script(Drop("request"), GOOD)
    assert settle(lambda: pve.post("/x"), lambda: False, sleep=asked.append) == "fine"
    assert len(server.requests) == 2
    assert len(asked) == 3

    server.requests.clear()
    server.steps.clear()
    server.script(Drop("request"), GOOD)
    assert settle(lambda: pve.post("/x"), lambda: True, sleep=asked.append) is None
    assert len(server.requests) == 1

    server.requests.clear()
    server.steps.clear()
    server.script(failed(500, LOCK), GOOD)
    assert settle(lambda: pve.put("/x"), lambda: False, sleep=asked.append) == "fine"

    server.requests.clear()
    server.steps.clear()
    server.script(Drop("request"))
    with pytest.raises(WriteUncertain):
        settle(lambda: pve.post("/x"), lambda: False, attempts=3, sleep=asked.append)
    assert len(server.requests) == 3


def test_settle_knows_its_own_late_write(server: FaultyServer, opened: Opener) -> None:
    """The first try arrives after all the looks: the second one finds the VMID taken, by ourselves."""
    pve = opened()
    answers = iter([False, False, False, True])
    server.script(Drop("request"), failed(500, "unable to create VM 100 - VM 100 already exists on node 'pve'"))
    assert settle(lambda: pve.post("/x"), lambda: next(answers), sleep=lambda _: None) is None

    server.steps.clear()
    server.script(failed(500, "unable to create VM 100 - VM 100 already exists on node 'pve'"))
    with pytest.raises(Conflict):
        settle(lambda: pve.post("/x"), lambda: True, sleep=lambda _: None)


def test_empty_401(server: FaultyServer, opened: Opener) -> None:
    server.script(Reply(401, "No ticket"))
    with pytest.raises(AuthFailed, match="GET /version: No ticket") as refused:
        opened().get("/version")
    assert "pveum" in refused.value.hint
    assert len(server.requests) == 1


def ticket(number: int) -> Reply:
    return Reply(body={"data": {"ticket": f"PVE:t{number}", "CSRFPreventionToken": f"csrf{number}"}})


def test_expired_ticket_is_renewed_once(server: FaultyServer, opened: Opener) -> None:
    server.script(ticket(1), GOOD, Reply(401, "permission denied"), ticket(2), GOOD)
    pve = opened(token=None, login=Login("root@pam", "s3cret-word"))
    assert pve.get("/a") == "fine"
    assert pve.post("/b") == "fine"
    assert server.targets() == [
        "POST /api2/json/access/ticket",
        "GET /api2/json/a",
        "POST /api2/json/b",
        "POST /api2/json/access/ticket",
        "POST /api2/json/b",
    ]
    sent = [headers for _, _, headers, _ in server.requests]
    assert "cookie" not in sent[0]
    assert (sent[1]["cookie"], sent[1].get("csrfpreventiontoken")) == ("PVEAuthCookie=PVE:t1", None)
    assert (sent[4]["cookie"], sent[4]["csrfpreventiontoken"]) == ("PVEAuthCookie=PVE:t2", "csrf2")


def test_a_ticket_refused_twice_is_an_error(server: FaultyServer, opened: Opener) -> None:
    server.script(ticket(1), Reply(401, "no"), ticket(2), Reply(401, "no"))
    with pytest.raises(AuthFailed):
        opened(token=None, login=Login("root@pam", "pw")).get("/a")
    assert len(server.requests) == 4


def test_second_factor(server: FaultyServer, opened: Opener) -> None:
    challenge = Reply(body={"data": {"ticket": "PVE:!tfa!x", "NeedTFA": 1, "CSRFPreventionToken": "c"}})
    server.script(challenge, ticket(1), GOOD)
    assert opened(token=None, login=Login("root@pam", "pw", lambda: "123456")).get("/a") == "fine"
    assert b"tfa-challenge=PVE%3A%21tfa%21x" in server.requests[1][3]
    assert b"totp%3A123456" in server.requests[1][3]
    server.steps.clear()
    server.script(challenge)
    with pytest.raises(AuthFailed, match="second factor"):
        opened(token=None, login=Login("root@pam", "pw")).get("/a")


def test_wrong_password(server: FaultyServer, opened: Opener) -> None:
    server.script(failed(401, "authentication failure"))
    with pytest.raises(AuthFailed, match="authentication failure"):
        opened(token=None, login=Login("root@pam", "pw")).get("/a")
    assert len(server.requests) == 1


def test_no_login_for_a_ticket(opened: Opener) -> None:
    with pytest.raises(AuthFailed, match="no login"):
        opened().with_ticket()
    with pytest.raises(AuthFailed, match="neither token nor login"):
        opened(token=None)


def test_next_server_when_one_is_down(server: FaultyServer, opened: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    server.script(GOOD)
    pve = opened(f"https://127.0.0.1:{port}", server.url)
    assert pve.get("/a") == "fine"
    assert pve.post("/b") == "fine"
    with pytest.raises(HostUnreachable, match=f"127.0.0.1:{port}.*refused") as down:
        opened(f"https://127.0.0.1:{port}").get("/a")
    assert down.value.code == 4
    with pytest.raises(HostUnreachable, match="connection refused"):
        opened(f"https://127.0.0.1:{port}").post("/a")


def test_unknown_name(opened: Opener) -> None:
    with pytest.raises(HostUnreachable, match="name is not known"):
        opened("https://no-such-host.invalid").get("/a")


@pytest.mark.parametrize(
    "step",
    [
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
        Reply(301, "Moved", headers={"Location": "/elsewhere"}),
        Reply(body=["no data"]),
    ],
    ids=["html", "redirect", "no data"],
)
def test_somebody_else_answers(server: FaultyServer, opened: Opener, step: Reply) -> None:
    server.script(step)
    with pytest.raises(ApiError, match="not as PVE does"):
        opened().get("/version")


def test_garbage_is_a_lost_answer(server: FaultyServer, opened: Opener) -> None:
    server.script(Reply(raw=b"SSH-2.0-OpenSSH_9.9\r\n", close=True))
    with pytest.raises(HostUnreachable):
        opened(attempts=2).get("/version")


def test_connections_are_kept_and_bounded(server: FaultyServer, opened: Opener) -> None:
    server.script(GOOD)
    pve = opened(connections=4)
    for _ in range(20):
        pve.get("/a")
    assert server.connections == 1
    threads = [threading.Thread(target=lambda: [pve.get("/a") for _ in range(20)]) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connections <= 4
    assert len(server.requests) == 20 + 12 * 20


def test_an_idle_connection_that_was_closed_is_not_used_for_a_write(server: FaultyServer, opened: Opener) -> None:
    server.script(Reply(body={"data": 1}), GOOD)
    pve = opened()
    pve.get("/a")
    for one in list(server._open):
        if isinstance(one, ssl.SSLSocket):
            one.shutdown(socket.SHUT_RDWR)
    time.sleep(0.05)
    assert pve.post("/b") == "fine"
    assert server.connections == 2


def test_early_refusal_of_an_upload(server: FaultyServer, opened: Opener, tmp_path: Path) -> None:
    big = tmp_path / "big.iso"
    with big.open("wb") as out:
        out.truncate(64 * 1024 * 1024)
    server.script(Reply(413, "for data too large", close=True))
    with pytest.raises(ApiError) as refused:
        upload(opened(), "pve", "local", big, content="iso", sha256="0" * 64)
    assert refused.value.status == 413 or isinstance(refused.value, HostUnreachable)


def test_secrets_are_not_repeated(server: FaultyServer, opened: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    caplog.set_level(0, logger="proxmoxer.core")
    server.script(
        Reply(400, "Parameter verification failed.", {"errors": {"cipassword": "value 'hunter22' is bad"}}),
    )
    pve = opened()
    with pytest.raises(ApiError) as raised:
        pve.put("/nodes/pve/qemu/100/config", cipassword="hunter22")
    shown = f"{raised.value} {raised.value.errors} {raised.value!r} {pve.endpoint!r} {caplog.text}"
    assert "hunter22" not in shown
    assert "secret-of-token" not in shown
    assert "cipassword" in raised.value.errors


FAULTS = st.sampled_from(
    [
        Drop("handshake"),
        Drop("handshake", reset=True),
        Drop("request"),
        Drop("request", acts=False),
        Drop("request", reset=True, acts=False),
        Drop("answer"),
        failed(596, "Broken pipe"),
        failed(595, "No route to host"),
        failed(502, "Bad Gateway"),
        failed(500, LOCK),
        failed(500, "VM is locked (backup)"),
        Reply(401, "No ticket"),
    ]
)


def outcome(call: Callable[[], Any]) -> PvekitError | None:
    """Return the error that a call ends with; any other exception than ours is a failure of the test."""
    try:
        call()
    except PvekitError as error:
        return error
    return None


@given(st.lists(FAULTS, max_size=5))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_schedule_ends_well_or_with_a_clear_error(pki: tuple[str, str, str], faults: list[Step]) -> None:
    """A read ends with the answer or one of our errors; a settled write is done exactly once if it ends well."""
    server = FaultyServer(pki[0], pki[1])
    endpoint = Endpoint((server.url,), Trust((pki[2],)), TOKEN)
    try:
        with Pve.open(endpoint) as pve:
            pve._sleep = lambda _seconds: None
            server.script(*faults, GOOD)
            error = outcome(lambda: pve.get("/version"))
            assert error is None or (error.where and error.message)

            server.steps.clear()
            server.acted = 0
            server.script(*faults, GOOD)
            error = outcome(
                lambda: settle(lambda: pve.post("/nodes/pve/qemu"), lambda: server.acted > 0, sleep=lambda _: None)
            )
            assert server.acted == 1 if error is None else server.acted <= 1
            assert error is None or (error.where and error.message)
    finally:
        server.close()


def test_pauses_grow_and_vary(server: FaultyServer, opened: Opener) -> None:
    server.script(failed(596, "x"))
    pve = opened(attempts=8)
    pauses: list[float] = []
    pve._sleep = pauses.append
    with pytest.raises(ServerBusy):
        pve.get("/a")
    whole = [min(2.0, 0.1 * 2**n) for n in range(7)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, whole, strict=True))
    assert len(set(pauses)) > 1

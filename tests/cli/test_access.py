"""Who asks: tickets that expire, tokens that may too little, servers that are not who they should be."""

from __future__ import annotations

import contextlib
import shlex
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvekit.lab.access import tickets
from tests.helpers.cli_room import Place, Result

PASSWORD = "a long pass phrase"


def test_expired_ticket_is_renewed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tickets of the node live for half a second only, so several expire during one run."""
    monkeypatch.setenv("PVEKIT_PW", place.lab.secrets["password"])
    monkeypatch.setattr(tickets, "LIFETIME", 1)
    monkeypatch.setitem(place.lab.lab.tasks.delays, "qmcreate", 2.2)
    host = place.host(token="", login="{user: root@pam, password: 'env:PVEKIT_PW'}")
    stack = place.stack("ticket", "  one: {}\n", host=host)
    place.run("up", stack, "-y").ended(0)
    place.run("down", stack, "--confirm", "ticket").ended(0)


def test_password_that_is_changed_meanwhile(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expired ticket that cannot be renewed is a login that is refused, not a server that is broken."""
    monkeypatch.setenv("PVEKIT_PW", PASSWORD)
    place.secrets.append(PASSWORD)
    place.api.post("/access/users", userid="tmp@pve", password=PASSWORD)
    place.grant("/", "Administrator", users="tmp@pve")
    host = place.host(token="", login="{user: tmp@pve, password: 'env:PVEKIT_PW'}")
    stack = place.stack("renew", "  one: {}\n", host=host)
    monkeypatch.setattr(tickets, "LIFETIME", 1)
    monkeypatch.setitem(place.lab.lab.tasks.delays, "qmcreate", 2.5)

    def change() -> None:
        time.sleep(1.0)
        place.lab.lab.accounts.set_password("tmp@pve", "another one")

    thread = threading.Thread(target=change)
    thread.start()
    result = place.run("up", stack, "-y")
    thread.join()
    place.settled()
    result.ended(5).says("POST /access/ticket", "next: ")
    place.run("down", place.stack("renew", "  one: {}\n"), "--confirm", "renew").ended(0)
    place.api.delete("/access/users/tmp@pve")
    assert (place.vms("renew"), place.seeds("renew")) == ({}, [])


class Listener:
    """A server with the node's certificate that writes down what it is sent and never answers."""

    def __init__(self, state: Path, *, tls: bool) -> None:
        self.got = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(state / "pve-ssl.pem", state / "pve-ssl.key")
        self.tls = tls
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._listen, args=(plain,), daemon=True).start()

    def _listen(self, plain: socket.socket) -> None:
        try:
            with self.context.wrap_socket(plain, server_side=True) if self.tls else plain as connection:
                while data := connection.recv(4096):
                    self.got += data
        except OSError:
            pass

    def close(self) -> None:
        self.socket.close()


def listening(place: Place, *, tls: bool) -> Listener:
    return Listener(place.lab.settings.state, tls=tls)


def test_nothing_is_sent_to_a_server_with_another_certificate(place: Place) -> None:
    with contextlib.closing(listening(place, tls=True)) as listener:
        wrong = ":".join(["AB"] * 32)
        host = place.host(endpoint=f"https://127.0.0.1:{listener.port}", fingerprint=f"'{wrong}'")
        result = place.run("up", place.stack("pinned", "  one: {}\n", host=host), "-y").ended(6)
        result.says(wrong, place.fingerprint)
        time.sleep(0.1)
        assert listener.got == b""


@pytest.mark.parametrize("tls", [False, True], ids=["silent-at-once", "silent-after-the-handshake"])
def test_server_that_does_not_answer(place: Place, tls: bool) -> None:
    with contextlib.closing(listening(place, tls=tls)) as listener:
        host = place.host(endpoint=f"https://127.0.0.1:{listener.port}", timeouts="{connect: 300ms, read: 300ms}")
        stack = place.stack("silent", "  one: {}\n", host=host)
        place.run("plan", stack).ended(4).says(f"127.0.0.1:{listener.port}", "does not answer: time-out", "next: ")
        assert (b"PVEAPIToken" in listener.got) is tls


@pytest.fixture
def poor(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A token of a user without any right; its id."""
    place.api.post("/access/users", userid="kit@pve")
    made = place.api.post("/access/users/kit@pve/token/t1", privsep="1")
    monkeypatch.setenv("PVEKIT_TOKEN", made["value"])
    place.secrets.append(made["value"])
    yield made["full-tokenid"]
    place.api.delete("/access/users/kit@pve")
    for row in place.api.get("/access/roles"):
        if str(row["roleid"]).startswith("Kit-"):
            place.api.delete(f"/access/roles/{row['roleid']}")


def apply_pveum(place: Place, result: Result) -> list[str]:
    """Do what the printed pveum lines say, through the API."""
    lines = [line.strip() for line in result.err.splitlines() if line.strip().startswith("pveum ")]
    for line in lines:
        match shlex.split(line):
            case ["pveum", "role", "add", role, "--privs", privileges]:
                place.api.post("/access/roles", roleid=role, privs=privileges)
            case ["pveum", "role", "modify", role, "--append", *_, "--privs", privileges]:
                place.api.put(f"/access/roles/{role}", privs=privileges, append="1")
            case ["pveum", "acl", "modify", path, "--tokens", who, "--roles", role]:
                place.grant(path, role, tokens=who)
            case ["pveum", "acl", "modify", path, "--users", who, "--roles", role]:
                place.grant(path, role, users=who)
            case ["pveum", "acl", "modify", path, "--tokens", who, "--roles", role, "--propagate", below]:
                place.grant(path, role, tokens=who, propagate=below)
            case ["pveum", "acl", "modify", path, "--users", who, "--roles", role, "--propagate", below]:
                place.grant(path, role, users=who, propagate=below)
            case other:
                raise AssertionError(f"not a line that can be done: {other}")
    return lines


def test_token_without_rights_is_told_the_lines_that_help(place: Place, poor: str) -> None:
    """The lines are really applied, and then the run goes through; nothing was touched before."""
    host = place.host(token=f"{{id: '{poor}', secret: 'env:PVEKIT_TOKEN'}}")
    vms = "  one: {disks: [{size: 1GiB}, {size: 1GiB, storage: data}], firmware: ovmf, start: {order: 2}}\n"
    stack = place.stack("poor", vms, host=host)
    begun = place.wrote()
    rounds = 0
    while (result := place.run("up", stack, "-y")).code == 7:
        rounds += 1
        assert rounds < 4, result.text
        assert begun() == 0
        result.says(poor, "lacks", "as root")
        assert apply_pveum(place, result), result.text
    assert rounds >= 1
    result.ended(0)
    place.run("plan", stack).ended(0)
    place.run("status", stack).ended(0).says("running")
    place.run("down", stack, "--confirm", "poor").ended(0)
    assert (place.vms("poor"), place.seeds("poor")) == ({}, [])

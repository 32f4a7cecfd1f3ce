from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.ssh import Completed, Target, connect, wait_ssh
from pvekit.adapters.sshkeys import (
    HostKey,
    HostKeyMismatch,
    ensure_keypair,
    known_hosts_line,
    parse_host_key,
    write_known_hosts,
)
from pvekit.model.errors import FingerprintMismatch, GuestNotReady, PvekitError, SecretUnavailable
from tests.adapters_ansible.sshd import ssh_server


def pinned(key: paramiko.PKey) -> HostKey:
    return HostKey(key.get_name(), key.get_base64())


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    ensure_keypair(tmp_path / "id", "test")
    return tmp_path / "id"


@pytest.fixture
def host_key(tmp_path: Path) -> paramiko.PKey:
    ensure_keypair(tmp_path / "host")
    return paramiko.PKey.from_path(tmp_path / "host")


def target(port: int, key_path: Path | None, *keys: HostKey, **changes: Any) -> Target:
    arguments: dict[str, Any] = {"key_path": key_path, "attempt_seconds": 5.0, **changes}
    return Target("web", "127.0.0.1", port, "anna", keys, **arguments)


def test_runs_commands(key_path: Path, host_key: paramiko.PKey) -> None:
    with (
        ssh_server(host_key, paramiko.PKey.from_path(key_path)) as served,
        connect(target(served.port, key_path, pinned(host_key))) as session,
    ):
        assert session.run(["printf", "%s|", "a b", "$HOME", "'"]) == Completed(0, "a b|$HOME|'|", "")
        assert session.run(["sh", "-c", "cat; echo bad >&2; exit 3"], stdin=b"in") == Completed(3, "in", "bad\n")
        both = session.run(["sh", "-c", "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"])
        assert (len(both.out), len(both.err)) == (3_000_000, 3_000_000)


def test_command_that_does_not_end(key_path: Path, host_key: paramiko.PKey) -> None:
    with (
        ssh_server(host_key, paramiko.PKey.from_path(key_path)) as served,
        connect(target(served.port, key_path, pinned(host_key))) as session,
        pytest.raises(GuestNotReady, match="sleep did not end within 1 s"),
    ):
        session.run(["sleep", "5"], timeout=0.5 + 0.2)


def test_another_host_key_stops_at_once(key_path: Path, host_key: paramiko.PKey, tmp_path: Path) -> None:
    ensure_keypair(tmp_path / "other")
    other = pinned(paramiko.PKey.from_path(tmp_path / "other"))
    with ssh_server(host_key, paramiko.PKey.from_path(key_path)) as served:
        for keys in ((other,), ()):
            with pytest.raises(HostKeyMismatch) as caught:
                wait_ssh(target(served.port, key_path, *keys), time.monotonic() + 60)
            assert pinned(host_key).fingerprint in str(caught.value)
        assert isinstance(caught.value, FingerprintMismatch)
        assert served.attempts == 2


def test_waits_until_somebody_answers(key_path: Path, host_key: paramiko.PKey) -> None:
    slept: list[float] = []
    with ssh_server(host_key, paramiko.PKey.from_path(key_path), mute=3) as served:
        session = wait_ssh(target(served.port, key_path, pinned(host_key)), time.monotonic() + 60, sleep=slept.append)
        session.close()
    assert slept == [0.5, 1.0, 2.0]


def test_a_dropped_connection_is_tried_again(key_path: Path, host_key: paramiko.PKey) -> None:
    slept: list[float] = []
    with ssh_server(host_key, paramiko.PKey.from_path(key_path), mute=2) as served:
        connect(target(served.port, key_path, pinned(host_key)), sleep=slept.append).close()
    assert slept == [0.5, 1.0]
    with (
        ssh_server(host_key, paramiko.PKey.from_path(key_path), mute=99) as served,
        pytest.raises(GuestNotReady, match="no SSH login in 5 attempts"),
    ):
        connect(target(served.port, key_path, pinned(host_key)), sleep=lambda _: None)


def test_refused_login_is_tried_until_the_deadline(key_path: Path, host_key: paramiko.PKey) -> None:
    times = iter(range(100))
    with (
        ssh_server(host_key, None) as served,
        pytest.raises(GuestNotReady, match=r"no SSH login for \d+ s: the login of anna was not accepted") as caught,
    ):
        wait_ssh(
            target(served.port, key_path, pinned(host_key)), 5, clock=lambda: float(next(times)), sleep=lambda _: None
        )
    assert caught.value.hint
    assert served.attempts > 1


def test_nobody_listens(key_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(GuestNotReady, match="Connection refused"):
        connect(target(port, key_path))


def test_listener_that_says_nothing(key_path: Path) -> None:
    # QEMU's user network accepts for a guest that does not listen yet.
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(GuestNotReady, match="web"):
        connect(target(listener.getsockname()[1], key_path, attempt_seconds=0.3), sleep=lambda _: pytest.fail("again"))


def test_unusable_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad").write_text("nonsense")
    with pytest.raises(SecretUnavailable):
        connect(target(1, tmp_path / "bad"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(SecretUnavailable, match="ssh-agent"):
        connect(target(1, None))


def test_keypair(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "id"
    public = ensure_keypair(path, "home")
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_keypair(path, "home") == public
    assert (tmp_path / "deep" / "id.pub").read_text() == public + "\n"
    assert parse_host_key(public).kind == "ssh-ed25519"
    path.chmod(0o644)
    with pytest.raises(SecretUnavailable, match="readable by others"):
        ensure_keypair(path)
    (tmp_path / "broken").write_text("x")
    (tmp_path / "broken").chmod(0o600)
    with pytest.raises(SecretUnavailable, match="cannot be used"):
        ensure_keypair(tmp_path / "broken")
    (tmp_path / "file").write_text("")
    with pytest.raises(PvekitError, match="cannot write"):
        ensure_keypair(tmp_path / "file" / "id")


def test_openssh_agrees(tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key = parse_host_key(ensure_keypair(tmp_path / "id"))
    shown = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "id")], capture_output=True, text=True, check=True)
    assert key.fingerprint in shown.stdout
    write_known_hosts(tmp_path / "known", [("10.0.0.1", 22, key), ("127.0.0.1", 2222, key), ("10.0.0.1", 22, key)])
    for name in ("10.0.0.1", "[127.0.0.1]:2222"):
        argv = ["ssh-keygen", "-F", name, "-f", str(tmp_path / "known")]
        found = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert key.data in found.stdout
    assert len((tmp_path / "known").read_text().splitlines()) == 2
    assert (tmp_path / "known").stat().st_mode & 0o777 == 0o600


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        parsed = parse_host_key(text)
    except ValueError:
        return
    assert known_hosts_line("a", 22, parsed).count("\n") == 1

"""The served API of a machine behind SSH, and the unit that rests meanwhile."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.common import OPEN_SUCCEEDED

from pvekit.adapters.forward import forwarded
from pvekit.adapters.llm import failures, load, unit
from pvekit.adapters.llm.load import Size
from pvekit.adapters.llm.openai import Client
from pvekit.adapters.ssh import Completed, Target, connect
from pvekit.adapters.sshkeys import HostKey
from pvekit.model.errors import NotFound
from tests.adapters_ansible import sshd
from tests.inference_bench.double import Foreign, served

UNIT = """[Service]
ExecStart="/usr/bin/llama-server" "--model" "/var/lib/pvekit/models/x.gguf" "--port" "8099" $LLAMA_EXTRA_ARGS
"""


def carry(transport: paramiko.Transport, to: tuple[str, int]) -> None:
    """Be sshd's half of a forward."""
    # Of several that wait, paramiko may wake one whose channel another has taken: that one has to ask again.
    waits = (transport.accept(1) for _ in range(30))
    channel = next((each for each in waits if each is not None), None)
    assert channel is not None
    both: list[Any] = [channel]
    with contextlib.closing(channel), socket.create_connection(to) as far, contextlib.suppress(OSError, EOFError):
        both.append(far)
        while True:
            for ready in select.select(both, [], [], 10)[0]:
                piece = ready.recv(65536)
                if not piece:
                    return
                (far if ready is channel else channel).sendall(piece)


def test_a_server_behind_ssh_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host_key, key = paramiko.RSAKey.generate(2048), paramiko.RSAKey.generate(2048)
    key.write_private_key_file(str(tmp_path / "id"))
    with sshd.ssh_server(host_key, key) as ssh, served(Foreign(tokens=10, pause=0.01)) as foreign:
        gone = socket.create_server(("127.0.0.1", 0))
        nobody = gone.getsockname()[1]
        gone.close()

        def opened(_self: object, _chanid: int, _origin: object, to: tuple[str, int]) -> int:
            if to[1] == nobody:
                return paramiko.common.OPEN_FAILED_CONNECT_FAILED
            threading.Thread(target=carry, args=(ssh.transports[-1], to), daemon=True).start()
            return OPEN_SUCCEEDED

        monkeypatch.setattr(sshd._Server, "check_channel_direct_tcpip_request", opened, raising=False)
        pinned = HostKey(host_key.get_name(), host_key.get_base64())
        target = Target("vm", "127.0.0.1", ssh.port, "anna", (pinned,), tmp_path / "id")
        with connect(target) as session:
            with forwarded(session, int(foreign.url.rpartition(":")[2])) as port:
                speaker = load.meet(Client(f"http://127.0.0.1:{port}", where="vm"))
                data = load.measure(speaker, 3, Size(60, 10), rounds=1, key="x")
                assert data["generated"] == 30
                assert not data["errors"]
            with forwarded(session, nobody) as port, pytest.raises(load.GONE):
                Client(f"http://127.0.0.1:{port}", where="vm").look()
            with pytest.raises(failures.NothingListens):
                Client(f"http://127.0.0.1:{port}").look()


@dataclass
class Guest:
    """A guest with systemd, as far as the unit goes."""

    active: bool = True
    where: str = "vm"
    asked: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, timeout: float = 60.0, stdin: bytes = b"",
            environment: Mapping[str, str] | None = None) -> Completed:  # fmt: skip
        words = " ".join(argv)
        self.asked.append(words)
        answers = {"id -u": "1000\n", f"systemctl cat {unit.NAME}": UNIT,
                   "sudo -n -- cat /etc/pvekit/llama.env": '# x\nLLAMA_API_KEY="a\\"b\\$c"\n'}  # fmt: skip
        code = 0 if self.active or "is-active" not in words else 3
        return Completed(code, answers.get(words, ""), "")


def test_the_unit_rests_and_is_started_again_whatever_happens() -> None:
    guest = Guest()
    found = unit.found(guest)
    assert (found.model, found.port, found.bench) == ("/var/lib/pvekit/models/x.gguf", 8099, ("/usr/bin/llama-bench",))
    key = found.key()
    assert key is not None
    assert key.reveal() == 'a"b$c'
    guest.asked.clear()
    with contextlib.suppress(RuntimeError), found.paused(100) as renew:
        renew()
        raise RuntimeError
    done = [words.removeprefix("sudo -n -- ") for words in guest.asked if words != "id -u"]
    stop, start = (done.index(f"systemctl {verb} {unit.NAME}") for verb in ("stop", "start"))
    timers = [at for at, words in enumerate(done) if words.startswith("systemd-run")]
    # A timer in the guest stands in for us before the server is stopped, and goes after it runs again.
    assert timers[0] < stop < timers[1] < start < len(done) - 1
    assert "--on-active=100" in done[timers[0]]
    assert done[-1] == "systemctl stop pvekit-llama-bench.timer"


def test_a_unit_that_does_not_run_is_left_alone() -> None:
    guest = Guest(active=False)
    with unit.found(guest).paused(100):
        pass
    assert not any("stop" in words or " start " in words for words in guest.asked)

    class Without(Guest):
        def run(self, argv: Sequence[str], **_more: object) -> Completed:
            return Completed(1, "", "")

    with pytest.raises(NotFound, match="there is no"):
        unit.found(Without())

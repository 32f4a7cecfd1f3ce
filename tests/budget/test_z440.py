"""The whole home on a Z440, planned offline from what ships with pvekit; one VM more is refused with the sum."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from pvekit import guests
from pvekit.adapters.pve import recorded
from pvekit.cli.main import run
from tests.budget.z440 import HOME, HOST
from tests.budget.z440 import recorded as record_again

MORE = """
  more:
    kind: ubuntu
    image: ubuntu-24.04
    cores: 4
    memory: 16GiB
    disks: [{size: 32GiB}]
"""

needs_kinds = pytest.mark.skipif(
    not {"nas", "windows", "ubuntu"} <= guests.kinds(), reason="this version cannot build every kind of the home yet"
)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Take away network, token and home folder."""
    monkeypatch.delenv("PVEKIT_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    if "record" in request.node.name:
        return

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@needs_kinds
def test_the_whole_home_with_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(HOME), "--recorded", str(HOST)]) == 0
    text = capsys.readouterr().out
    for part in ("5 VMs to create", "+ win-work", "+ win-play", "+ ubuntu-desk", "+ ubuntu-lab", "+ nas"):
        assert part in text
    table = text.partition("costs:\n")[2].partition("note:")[0]
    assert table == (
        "  pve: 62.7 GiB of memory, 28 threads\n"
        "                  GiB  QEMU  vCPU\n"
        "    host          4.0              Proxmox VE and its services\n"
        "    nas           8.0  +0.3     4\n"
        "    win-work     10.0  +0.4     6\n"
        "    win-play     10.0  +0.4     6\n"
        "    ubuntu-desk   8.0  +0.3     4  4.0 with its balloon full\n"
        "    ubuntu-lab    6.0  +0.3     4  3.0 with its balloon full\n"
        "    sum          47.8          24  76 % of 62.7 GiB, 24 virtual CPUs on 28 threads, 40.8 with every balloon "
        "full\n"
        "    local-lvm: up to 656.0 GiB new of 794.0 GiB free; snapshots come on top\n"
    )
    assert "win-work, win-play: cpu x86-64-v3: with cpu: host, Windows is many times slower on Intel(R) Xeon" in text
    assert text.count("cpu: x86-64-v3,") == 2


@needs_kinds
def test_one_more_vm_is_refused_with_the_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = tmp_path / "home.yaml"
    stack.write_text(HOME.read_text() + MORE)
    assert run(["plan", str(stack), "--recorded", str(HOST)]) == 8
    text = capsys.readouterr().err
    assert "needs 64.4 GiB, and it has 62.7 GiB" in text
    assert (
        "(host 4.0 + nas 8.3 + win-work 10.4 + win-play 10.4 + ubuntu-desk 8.3 + ubuntu-lab 6.3 + more 16.6 = 64.4)"
        in (text)
    )
    assert "    more         16.0  +0.6     4\n" in text
    assert "    sum          64.4          28  103 % of 62.7 GiB" in text


def test_the_recording_is_what_is_recorded_today(tmp_path: Path) -> None:
    shipped = json.loads(HOST.read_text())
    made = record_again(tmp_path)
    assert made.answers == shipped["answers"]
    assert (made.about, made.stack) == (shipped["about"], shipped["stack"])
    assert recorded.Replay.of(made, "made").get("/version")["repoid"] == "pvekit-lab"
    assert "not taken from a real machine" in made.about

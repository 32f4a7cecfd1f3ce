"""Processes are found again, and never mistaken."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu.place import place_of
from pvekit.lab.qemu.process import Process, load, run_daemon, save

DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
os.close(0), os.close(1), os.close(2)
time.sleep(60)
"""


@pytest.fixture
def sleeper() -> Iterator[Process]:
    with subprocess.Popen(["sleep", "60"]) as child:
        yield Process.of(child.pid)
        child.kill()


def test_record_round_trip(sleeper: Process, tmp_path: Path) -> None:
    save(sleeper, tmp_path / "p.json")
    assert load(tmp_path / "p.json") == sleeper
    assert sleeper.uptime in {0, 1}


@pytest.mark.parametrize("other", [{"started": 1}, {"boot": "another"}])
def test_the_same_number_is_not_the_same_process(sleeper: Process, tmp_path: Path, other: dict[str, object]) -> None:
    save(replace(sleeper, **other), tmp_path / "p.json")  # type: ignore[arg-type]
    assert load(tmp_path / "p.json") is None


@pytest.mark.parametrize("text", ["", '{"pid": 1', "[]", '{"pid": 1}'])
def test_a_torn_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    assert load(tmp_path / "p.json") is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["true"])
    process = Process.of(child.pid)
    deadline = time.monotonic() + 5
    while process.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not process.alive
    child.wait()


def test_a_daemon_is_started_found_and_ended(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    process = run_daemon([sys.executable, "-c", DAEMON, str(pidfile)], tmp_path, pidfile)
    deadline = time.monotonic() + 5
    while not pidfile.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.alive
    process.end()
    assert not process.alive
    process.end()


def test_a_daemon_that_refuses(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('port is taken')"]
    with pytest.raises(DoorError, match="exited with code 1: port is taken"):
        run_daemon(argv, tmp_path, tmp_path / "pid")
    with pytest.raises(DoorError, match="left no process id"):
        run_daemon(["true"], tmp_path, tmp_path / "pid")
    with pytest.raises(DoorError, match="not installed"):
        run_daemon(["no-such-program-here"], tmp_path, tmp_path / "pid")


def test_sockets_fit_the_kernel_whatever_the_state_directory(tmp_path: Path) -> None:
    short = place_of(Path("/tmp/lab"), 100)
    assert short.sockets == short.home
    deep = tmp_path / ("x" * 90)
    place = place_of(deep, 100)
    assert len(str(place.socket("swtpm.sock"))) < 100
    place.make()
    assert place.home.stat().st_mode & 0o777 == 0o700
    assert place.sockets.stat().st_mode & 0o777 == 0o700
    assert place_of(deep, 100) == place
    place.sockets.rmdir()
    place.sockets.parent.rmdir()


def test_records_are_json(sleeper: Process, tmp_path: Path) -> None:
    save(sleeper, tmp_path / "p.json")
    assert set(json.loads((tmp_path / "p.json").read_text())) == {"pid", "started", "boot"}

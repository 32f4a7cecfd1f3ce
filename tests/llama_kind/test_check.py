"""The whole program as the playbook runs it: what cannot work is said before anything is asked for or written."""

from __future__ import annotations

import errno
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.llama_kind.program import SETTINGS, module

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "check.yaml").read_text())


class Counted(http.server.BaseHTTPRequestHandler):
    """Has nothing, and notes who asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Counted.asked = []
    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counted)
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{door.server_port}"
    door.shutdown()
    thread.join()
    door.server_close()


def guest(root: Path, case: dict[str, Any], address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a guest with these cards, this driver and these settings below ``root``."""
    model = {"url": f"{address}/a.gguf?token=hush", "sha256": "ab" * 32, "size": 1000, **case.get("model", {})}
    install = {"how": "release", "url": f"{address}/{case.get('archive', 'a.tar.gz')}", "sha256": "cd" * 32}
    settings = {**SETTINGS, "install": install, "model": model, "gpus": len(case.get("cards", [])), **case["settings"]}
    (root / "etc/pvekit").mkdir(parents=True)
    (root / "etc/pvekit/llama.json").write_text(json.dumps(settings))
    for number, card in enumerate(case.get("cards", [])):
        folder = root / f"sys/0000:0{number}:00.0"
        folder.mkdir(parents=True)
        vendor, device = card.split(":")
        for name, text in (("class", "0x030000"), ("vendor", f"0x{vendor}"), ("device", f"0x{device}")):
            (folder / name).write_text(text)
    (root / "driver").write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {case.get('driver')}.95.05  x\n")
    monkeypatch.setattr(module("config"), "ROOT", root)
    monkeypatch.setattr(module("gpu"), "DEVICES", root / "sys")
    monkeypatch.setattr(module("gpu"), "DRIVER", root / ("driver" if case.get("driver") else "none"))
    monkeypatch.setattr(module("model"), "_memory", lambda: case.get("memory", 8) << 30)
    monkeypatch.setattr(module("model"), "_cards", lambda: 0)


@pytest.mark.parametrize(
    ("case", "word"),
    [
        pytest.param(case, word, id=f"{case['name']}-{word}")
        for case in CASES
        for word in ("check", "settle")
        if word == "check" or case.get("both", True)
    ],
)
def test_what_cannot_work_is_said_before_anything_is_fetched(
    case: dict[str, Any], word: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    guest(tmp_path, {"settings": {}, **case}, address, monkeypatch)
    assert module("__main__").main([word]) == 1
    out, said = capsys.readouterr()
    assert case["says"] in said
    assert out == ""
    assert Counted.asked == []
    assert "hush" not in said
    assert not list(tmp_path.rglob("*.part"))
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/opt/x"), "the disk is full: "),
        (shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]), "the disk is full: "),
        (PermissionError(errno.EACCES, "Permission denied", "/opt/x"), "Permission denied: '/opt/x'. Look at it"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_in_words(
    error: OSError, says: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    guest(tmp_path, {"settings": {}}, address, monkeypatch)

    def fails(*_: Any) -> Iterator[str]:
        raise error

    monkeypatch.setattr(module("install"), "settle", fails)
    assert module("__main__").main(["settle"]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1

"""The service with a real llama-server and a real model; systemd is played, and the unit is the one of the template."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from pvekit.guests import llama as kind
from pvekit.model.stack import Llama, LlamaInstall, LlamaModel
from tests.llama import tools
from tests.llama.model import SHA256, SIZE, gemma
from tests.llama_kind.program import FOLDER, config, module

KEY = 'a "key" with $HOME and %h'


def unit(settings: dict[str, Any], sha256: str) -> str:
    """Return the unit as the playbook renders it."""
    template = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), undefined=jinja2.StrictUndefined).get_template
    return template("unit.j2").render(pvekit_llama=settings, pvekit_llama_model={"sha256": sha256})


def lines(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def argv_of(text: str, extra: str = "") -> list[str]:
    """Return the arguments as systemd reads them, without the program."""
    words = shlex.split(lines(text, "ExecStart")[0].replace("$LLAMA_EXTRA_ARGS", extra))[1:]
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


class Systemd:
    """As much of systemd as the program asks for."""

    def __init__(self, wanted: Any, folder: Path, gguf: Path) -> None:
        self.wanted, self.folder, self.gguf = wanted, folder, gguf
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "log"
        self.starts = 0

    def run(self, *argv: str, good: Any = (0,), timeout: float = 600, cwd: Any = None) -> str:
        word = argv[1] if argv[0] == "systemctl" else argv[0]
        if argv[0] == "systemctl" and word == "restart":
            self.restart()
        elif word == "stop":
            self.stop()
        elif word == "show":
            alive = self.process is not None and self.process.poll() is None
            pid = self.process.pid if self.process is not None and alive else 0
            return f"MainPID={pid}\nActiveState={'active' if alive else 'inactive'}\n"
        elif word == "journalctl":
            return self.log.read_text(errors="replace")
        elif word == "ss":
            alive = self.process is not None and self.process.poll() is None
            owner = f'"llama-server",pid={self.process.pid}' if self.process is not None and alive else '"nginx",pid=77'
            return f"LISTEN 0 5 127.0.0.1:1 0.0.0.0:* users:(({owner},fd=6))\n"
        elif argv[-1] == "--help":
            return subprocess.run(
                tools.argv("llama-server", "--help"),
                env=tools.environment(),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        return ""

    def restart(self) -> None:
        self.stop()
        self.starts += 1
        extra = "".join(lines(self.wanted.extra.read_text(), "LLAMA_EXTRA_ARGS")) if self.wanted.extra.exists() else ""
        words = argv_of(self.wanted.unit.read_text(), extra.strip('"'))
        words = [str(self.gguf) if word.endswith(".gguf") else word for word in words]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                tools.argv("llama-server", *words), env={**tools.environment(), "LLAMA_API_KEY": KEY}, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            process = self.process
            module("serve").healthy(self.wanted, time.monotonic() + 60, alive=lambda: process.poll() is None)
        except module("run").Failed:
            raise module("run").Failed("systemctl restart: status 1") from None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Systemd]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(module("config"), "ROOT", tmp_path)
    wanted = config(port=port, model={"file": str(gemma()), "sha256": SHA256, "size": SIZE})
    for path in (wanted.file, wanted.staged, wanted.unit, wanted.key, wanted.server):
        path.parent.mkdir(parents=True, exist_ok=True)
    wanted.file.symlink_to(gemma())
    shutil.copy("/bin/true", wanted.server)
    wanted.key.write_text("# Made by pvekit.\nLLAMA_API_KEY=" + json.dumps(KEY) + "\n")
    settings = {**wanted.settings, "args": ["--no-webui"]}
    wanted.staged.write_text(unit(settings, SHA256))
    systemd = Systemd(wanted, tmp_path, gemma())
    monkeypatch.setattr(module("serve"), "run", systemd.run)
    monkeypatch.setattr(module("serve"), "_key", lambda _: KEY)
    yield wanted, systemd
    systemd.stop()


def settle(wanted: Any) -> list[str]:
    return list(module("serve").settle(wanted))


def test_it_starts_answers_and_stays(room: tuple[Any, Systemd]) -> None:
    wanted, systemd = room
    assert settle(wanted) == ["changed: llama-server was started", "the model answered: 4 tokens"]
    assert settle(wanted) == ["the model answered: 4 tokens"]
    assert systemd.starts == 1
    base = module("serve").base(wanted)
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(f"{base}/v1/models"):
        pass
    assert caught.value.code == 401
    caught.value.close()
    (wanted.models / ("cd" * 32 + ".gguf")).write_text("an earlier model")
    (wanted.models / "mine.gguf").write_text("somebody's own")
    wanted.extra.write_text('# the winner\nLLAMA_EXTRA_ARGS="--threads 2 --ctx-size 256"\n')
    assert settle(wanted)[0] == "changed: llama-server was started"
    assert sorted(path.name for path in wanted.models.iterdir()) == [f"{SHA256}.gguf", "mine.gguf"]
    request = urllib.request.Request(f"{base}/props", headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["default_generation_settings"]["n_ctx"] == 256, "the person's own arguments win"


def test_an_idle_model_leaves_the_memory_and_comes_back(room: tuple[Any, Systemd]) -> None:
    wanted, systemd = room
    wanted.settings["idle_unload"] = 2
    wanted.staged.write_text(unit(wanted.settings, SHA256))
    settle(wanted)
    end = time.monotonic() + 30
    while "sleep" not in systemd.log.read_text(errors="replace") and time.monotonic() < end:
        time.sleep(0.3)
    module("serve").healthy(wanted, time.monotonic() + 5)
    assert module("serve").chat(wanted) == "4 tokens"
    assert "sleep" in systemd.log.read_text(errors="replace")


def test_a_port_in_use(room: tuple[Any, Systemd]) -> None:
    wanted, systemd = room
    with socket.socket() as other:
        other.bind(("127.0.0.1", wanted.settings["port"]))
        other.listen()
        with pytest.raises(module("run").Failed, match=r"the port \d+ is in use by nginx \(process 77\)\."):
            settle(wanted)
    assert systemd.starts == 0


def test_a_model_that_is_damaged(room: tuple[Any, Systemd], tmp_path: Path) -> None:
    wanted, systemd = room
    (tmp_path / "cut.gguf").write_bytes(gemma().read_bytes()[:1_000_000])
    systemd.gguf = tmp_path / "cut.gguf"
    with pytest.raises(module("run").Failed, match=r"llama\.cpp cannot load the model\. Its last lines:\n") as caught:
        settle(wanted)
    assert "failed to load model" in str(caught.value)
    assert not wanted.state.exists()


def test_an_argument_that_it_does_not_know(room: tuple[Any, Systemd]) -> None:
    wanted, _ = room
    wanted.extra.write_text('LLAMA_EXTRA_ARGS="--no-such-thing"\n')
    with pytest.raises(module("run").Failed, match=r"does not know an argument\. Correct args\. Its"):
        settle(wanted)


def test_what_does_not_start_is_taken_back(room: tuple[Any, Systemd]) -> None:
    wanted, systemd = room
    settle(wanted)
    before = wanted.unit.read_text()
    wanted.staged.write_text(unit({**wanted.settings, "args": ["--no-such-thing"]}, SHA256))
    with pytest.raises(module("run").Failed, match=r"Correct args\.[\s\S]*The server runs again as it did before\."):
        settle(wanted)
    assert wanted.unit.read_text() == before
    assert module("serve").chat(wanted) == "4 tokens"
    assert systemd.starts == 3


def test_a_model_that_does_not_fit(room: tuple[Any, Systemd], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, systemd = room
    monkeypatch.setattr(module("model"), "_memory", lambda: 400 << 20)
    with pytest.raises(module("run").Failed, match=r"does not fit: it has 0\.2 GiB, and the guest 0\.4 GiB of memory"):
        settle(wanted)
    assert systemd.starts == 0


def test_the_disk_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("config"), "ROOT", tmp_path)
    wanted = config(model={"url": "https://models.example/a", "sha256": "ab" * 32, "size": 1 << 60})
    with pytest.raises(module("run").Failed, match=r"the disk is full: .* 1073741824\.0 GiB are needed"):
        module("model").room(wanted)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not installed: systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    llama = Llama(LlamaModel('a %h $HOME "quoted"'), gpu_layers=3, threads=2, idle_unload_s=60, args=("--x", "a b"))
    text = unit(kind.settings(llama), "ab" * 32)
    for program in ("/usr/bin/llama-server", "/usr/local/sbin/pvekit-llama"):
        text = text.replace(program, "/bin/true")
    (tmp_path / "pvekit-llama.service").write_text(text)
    argv = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "pvekit-llama.service")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert [line for line in done.stderr.splitlines() if "pvekit-llama" in line] == []


def test_the_arguments_of_the_unit() -> None:
    llama = Llama(
        LlamaModel('a "b" %h $c'), context=4096, slots=2, threads=6, gpu_layers=0, idle_unload_s=600, listen="lan",
        install=LlamaInstall("release", url="https://x.example/a"), args=("--flash-attn", "on"), metrics=False,
    )  # fmt: skip
    text = unit(kind.settings(llama), "ab" * 32)
    assert "Environment=LLAMA_ARG_CACHE_RAM=256 LLAMA_ARG_CTX_CHECKPOINTS=4" in text
    assert lines(text, "ExecStart")[0].startswith("/opt/pvekit/llama/current/llama-server ")
    assert argv_of(text, "--threads 9") == [
        "--model", f"/var/lib/pvekit/models/{'ab' * 32}.gguf", "--alias", 'a "b" %h $c', "--host", "0.0.0.0",
        "--port", "8080", "--ctx-size", "4096", "--parallel", "2", "--threads", "6", "--n-gpu-layers", "0",
        "--sleep-idle-seconds", "600", "--flash-attn", "on", "--threads", "9",
    ]  # fmt: skip

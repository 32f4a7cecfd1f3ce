"""A real llama-server: measured, killed in the middle, its port taken, its key wrong."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from pvekit.adapters.llm import failures, load, records, server
from pvekit.adapters.llm.load import Size
from pvekit.adapters.llm.openai import Client
from pvekit.adapters.secrets import Secret
from pvekit.inference.models import synth
from pvekit.model.errors import Conflict, NotFound, TaskFailed
from pvekit.workflows import llm_bench
from pvekit.workflows.llm_bench_compare import lines
from pvekit.workflows.llm_bench_suites import Ask, Suite
from pvekit.workflows.llm_bench_targets import Serving, Target
from tests.llama import tools
from tests.llama.model import gemma

COMMAND = [*tools.argv("llama-server"), "--threads", "1"]


def quiet(_text: str) -> None:
    """Say nothing."""


def test_words_of_many_tokens_fit_into_a_small_context(tmp_path: Path) -> None:
    synth.write("tiny-13m", "Q8_0", tmp_path / "tiny.gguf", 1)
    file = str(tmp_path / "tiny.gguf")
    with server.started(COMMAND, file, slots=1, context=512, environment=tools.environment()) as running:
        speaker = load.meet(running.client)
        # A made-up vocabulary has several tokens for each word.
        assert speaker.per_word > 3
        data = load.measure(speaker, 1, Size(256, 4), rounds=1, key="x")
    assert data["prompt_tokens"] == pytest.approx(256, abs=40)


@pytest.mark.slow
def test_it_is_measured_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    suite = Suite("quick", (), (Ask(1, 24, 6), Ask(2, 24, 6), Ask(1, 2000, 8), Ask(1, 24, 400)), rounds=2)
    with server.started(COMMAND, str(gemma()), slots=2, context=1024, environment=tools.environment()) as running:
        client = running.client
        assert client.key is not None
        argv = Path(f"/proc/{running.process.pid}/cmdline").read_text()
        assert client.key.reveal() not in argv
        with pytest.raises(failures.KeyRefused, match="does not accept the key"):
            Client(client.base, Secret("wrong")).look()
        with pytest.raises(failures.KeyRefused, match="wants a key"):
            Client(client.base).look()
        assert client.look().kind == "llama-server"
        assert "llamacpp" in client.metrics()
        with (
            pytest.raises(Conflict, match="is in use"),
            server.started(COMMAND, str(gemma()), slots=1, context=512, port=int(client.base.rpartition(":")[2])),
        ):
            pass
        speaker = load.meet(client)
        data = load.measure(speaker, 1, Size(64, 4), rounds=1, key="x")
        assert data["generated"] == 4
        assert data["requests"][0]["counted_by"] == "usage"
        # The prompt is about as long as it is asked to be, and no cache has it.
        assert data["prompt_tokens"] == pytest.approx(64, abs=12)
        assert not data["requests"][0]["cached_tokens"]

        def kill() -> None:
            while not path.exists() or '"http", "key": "c2-p24-g6"' not in path.read_text():
                time.sleep(0.02)
            time.sleep(1.0)
            running.process.kill()

        target = Target("here", "", lambda: nullcontext(Serving(client, running.tail)))
        threading.Thread(target=kill, daemon=True).start()
        done = llm_bench.run(target, suite, path, command=["x"], say=quiet)
    assert isinstance(done.stopped, failures.ServerEnded)
    assert done.stopped.message == "the server ended during 1 client with 24 tokens"
    found = records.load(path)
    told = {one.key: one.data for one in found if one.kind == "failure"}
    assert "do not fit into the server's 512 per client" in told["c1-p2000-g8"]["what"]
    assert "the server ended during" in told["c1-p24-g400"]["what"]
    assert "llama-server ended with -9" in told["c1-p24-g400"]["stderr"]
    assert [line.key for line in lines(found)] == ["c1-p24-g6", "c2-p24-g6"]
    assert found[-1].data["complete"] is False


def test_what_does_not_come_up_is_said(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + b"\0" * 100)
    with (
        pytest.raises(TaskFailed, match="did not come up"),
        server.started(COMMAND, str(bad), slots=1, context=512, environment=tools.environment()),
    ):
        pass
    with (
        pytest.raises(NotFound, match="is not installed"),
        server.started(["/nothing/llama-server"], str(bad), slots=1, context=512),
    ):
        pass
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        pytest.raises(Conflict, match="is in use"),
        server.started(COMMAND, str(bad), slots=1, context=512, port=door.getsockname()[1]),
    ):
        pass

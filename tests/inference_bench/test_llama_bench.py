"""llama-bench: what it prints is kept whole, whatever its version; what goes wrong is a value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.llm import llama_bench, records
from pvekit.adapters.llm.llama_bench import Bench, Benched, Failed
from pvekit.adapters.runner import Local
from pvekit.adapters.ssh import Completed
from pvekit.model.errors import GuestNotReady
from tests.llama import tools
from tests.llama.model import gemma

CASES = Path(__file__).parent / "cases"
WANTED = {
    "old.jsonl": [("prefill", (102.42, 102.38)), ("decode", (16.0,))],
    "new.jsonl": [("decode", (25.0,))],
    "array.json": [("both", (640.0,))],
}


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_what_was_printed_comes_back(name: str, tmp_path: Path) -> None:
    text = (CASES / name).read_text()
    rows = llama_bench.parse(text)
    plain = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    assert [row.plain() for row in rows] == plain
    # The same types too: 16 is not 16.0, and true is not 1.
    assert json.dumps([row.plain() for row in rows], sort_keys=True) == json.dumps(plain, sort_keys=True)
    assert [(row.phase, row.samples) for row in rows] == WANTED[name]
    with records.opened(tmp_path / "r.jsonl", {}) as store:
        store.append("llama-bench", "x", {"raw": text, "variant": None})
    assert records.load(tmp_path / "r.jsonl")[1].data["raw"] == text


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name not in llama_bench.Row.model_fields),
                       VALUES | st.lists(VALUES) | st.dictionaries(st.text(), VALUES)))  # fmt: skip
def test_fields_that_nobody_knows_stay(more: dict[str, object]) -> None:
    row = {"n_prompt": 0, "n_gen": 8, "avg_ns": 10, "avg_ts": 1.5, **more}
    (found,) = llama_bench.parse(json.dumps(row))
    assert found.plain() == row


@pytest.mark.parametrize(("text", "words"), [
    ('{"n_prompt": "x"}', "n_prompt"), ('{"n_gen": 1}', "n_prompt"), ("[1]", "valid dictionary"), ("{", "not JSON"),
])  # fmt: skip
def test_what_is_no_result_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        llama_bench.parse(text)


@pytest.mark.parametrize(("line", "variant"), [
    ("load_backend: loaded CPU backend from /usr/lib/x/libggml-cpu-haswell.so", "haswell"),
    (r"load_backend: loaded CPU backend from C:\llama\ggml-cpu-alderlake.dll", "alderlake"),
    ("load_backend: loaded CPU backend from /opt/libggml-cpu.so", None), ("nothing", None),
    ("x\nload_backend: loaded CPU backend from /a b/libggml-cpu-sse42.so\ny", "sse42"),
])  # fmt: skip
def test_the_variant_is_read_from_stderr(line: str, variant: str | None) -> None:
    assert llama_bench.variant(line) == variant


@dataclass
class Fake:
    """A machine that answers what it is told."""

    done: Completed | None
    where: str = "vm"
    asked: list[Sequence[str]] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, timeout: float = 60.0, stdin: bytes = b"",
            environment: Mapping[str, str] | None = None) -> Completed:  # fmt: skip
        self.asked.append(argv)
        if self.done is None:
            raise GuestNotReady("the SSH connection broke")
        return self.done


@pytest.mark.parametrize(("code", "out", "words"), [
    (127, "", "is not installed"), (124, "", "did not end within 9 s"), (137, "", "memory runs out"),
    (132, "", "instruction that the processor does not have"), (1, "", "ended with 1"), (0, "", "measured nothing"),
    (0, "{", "cannot be read"),
])  # fmt: skip
def test_failures_are_values(code: int, out: str, words: str) -> None:
    err = "".join(f"line {number}\n" for number in range(30))
    found = llama_bench.run(Fake(Completed(code, out, err)), Bench(), "m", [], timeout=9)
    assert isinstance(found, Failed)
    assert words in found.what
    assert found.exit == code
    assert found.stderr.splitlines()[0] == "line 18"
    assert found.stderr.splitlines()[-1] == "line 29"


def test_a_machine_that_is_gone_has_no_exit() -> None:
    found = llama_bench.run(Fake(None), Bench(), "m", [])
    assert isinstance(found, Failed)
    assert found.exit is None


def test_the_real_one() -> None:
    bench = Bench(tuple(tools.argv("llama-bench")), environment=tools.environment())
    found = llama_bench.run(Local(), bench, str(gemma()), ["-p", "0", "-n", "2", "-r", "2"], timeout=60)
    assert isinstance(found, Benched), found
    assert found.variant == tools.best()
    assert [json.loads(line) for line in found.raw.splitlines()] == [row.plain() for row in found.rows]
    (row,) = found.rows
    assert (row.n_gen, len(row.samples), row.build_number) == (2, 2, 11669)
    bad = llama_bench.run(Local(), bench, "/nothing.gguf", ["-n", "2"], timeout=60)
    assert isinstance(bad, Failed)
    assert "/nothing.gguf" in bad.stderr

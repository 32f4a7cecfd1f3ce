"""Reading never fails and never takes long: cut, mixed and damaged reports, and text that only looks like one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pvekit.inference.reports import read

_TEXTS = [
    text
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for case in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    for text in case["files"].values()
]
_LINES = sorted({line for text in _TEXTS for line in text.splitlines() if line.strip()})
_PIECES = st.one_of(
    st.sampled_from(_LINES),
    st.sampled_from(_LINES).flatmap(lambda line: st.integers(0, len(line)).map(lambda end: line[:end])),
    st.text(alphabet="0123456789.,:|/=%()[]{}\"'- tokensecGBMiHzxQK_AVX²٣", max_size=60),
    st.text(max_size=40),
)
_MANY = int(os.environ.get("PVEKIT_FUZZ", "150"))
_SETTINGS = settings(max_examples=_MANY, deadline=None, suppress_health_check=list(HealthCheck))


@_SETTINGS
@given(st.lists(_PIECES, max_size=25))
@example(["\r,"])  # what fuzzing found
@example(["INSERT INTO test (avg_ts, n_gen) VALUES (1\r, 2);", "build_commit\r,b"])
def test_any_mixture_is_read(pieces: list[str]) -> None:
    observed = read({"mixed.txt": "\n".join(pieces)})
    for run in observed.runs:
        assert run.rate > 0
        assert run.phase in {"decode", "prefill"}
        assert run.gpu_layers is None or run.gpu_layers >= 0
    assert all(seen.file == "mixed.txt" for seen in observed.where.values())


@_SETTINGS
@given(st.sampled_from(_TEXTS), st.data())
def test_a_cut_report_says_no_more(text: str, data: st.DataObject) -> None:
    """The first half of a report never gives more runs than the whole, but for the line that is cut."""
    end = data.draw(st.integers(0, len(text)))
    cut, whole = read({"r.txt": text[:end]}), read({"r.txt": text})
    assert len(cut.runs) <= len(whole.runs) + 4


@_SETTINGS
@given(st.sampled_from(_TEXTS), st.sampled_from(_TEXTS))
def test_order_of_files_does_not_matter(one: str, other: str) -> None:
    assert read({"a": one, "b": other}) == read({"b": other, "a": one})


def test_long_lines_and_many_take_bounded_time() -> None:
    begun = time.monotonic()
    nasty = (
        "1" * 100_000, "a " * 50_000, "((((" * 20_000, "| " * 40_000, "0.1 " * 30_000, "{" * 100_000,
        '{"kind": ' * 20_000, "- " * 40_000, "swapping " * 20_000, "E5-2680 v4 " * 10_000,
        "prompt eval time = " * 8_000, ", the 1 t/s" * 10_000, "model " * 20_000, "CPU(s): " * 10_000,
        "x" * 50 + "\n" * 100_000, "not not not " * 10_000,
    )  # fmt: skip
    for text in nasty:
        read({"x": text})
    read({"many": "\n".join(_LINES * 12)})
    assert time.monotonic() - begun < 45  # a slow machine; about 6 s on a quiet one

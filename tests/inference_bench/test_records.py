"""The results file: what is written is what is read, whatever happens to the run."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.llm import records
from pvekit.model.benchmark import KINDS
from pvekit.model.errors import Conflict, PvekitError

HEADER: dict[str, Any] = {"suite": "quick", "target": "here", "model": "m.gguf"}
TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8,
)  # fmt: skip
ROW = st.tuples(st.sampled_from(KINDS), TEXT, st.dictionaries(TEXT, JSON, max_size=4))


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, max_size=6), cut=st.integers(0, 10_000))
def test_what_is_written_is_read_even_when_the_end_is_torn(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], cut: int
) -> None:
    path = tmp_path_factory.mktemp("records") / "r.jsonl"
    with records.opened(path, HEADER) as store:
        for row in rows:
            store.append(*row)
        wanted = list(store.records)
    assert [(one.kind, one.key, one.data) for one in wanted[1:]] == rows
    assert records.load(path) == wanted
    # Killed at any byte after the header: whole lines stay, the rest is dropped, and writing goes on behind them.
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    at = first + cut % (len(content) - first + 1)
    path.write_bytes(content[:at])
    whole = content[:at].count(b"\n")
    with records.opened(path, HEADER, resume=True) as store:
        assert store.records == wanted[:whole]
        assert bool(store.note) == (not content[:at].endswith(b"\n"))
        last = store.append("end", "end", {"complete": True})
    assert records.load(path) == [*wanted[:whole], last]


def test_zeros_at_the_end_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with records.opened(path, HEADER) as store:
        store.append("http", "c1", {})
    path.write_bytes(path.read_bytes() + b"\0" * 300 + b"\n")
    with records.opened(path, HEADER, resume=True) as store:
        assert [one.key for one in store.records] == ["header", "c1"]
        assert "301 bytes" in store.note


@pytest.mark.parametrize(("name", "value"), [("suite", "full"), ("target", "there"), ("model", "x.gguf")])
def test_another_run_s_file_is_refused(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "r.jsonl"
    with records.opened(path, HEADER):
        pass
    with pytest.raises(Conflict, match=f"its {name} is"), records.opened(path, {**HEADER, name: value}, resume=True):
        pass


def test_two_runs_cannot_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with records.opened(path, HEADER):
        with pytest.raises(Conflict, match="another run"), records.opened(path, HEADER, resume=True):
            pass
        with pytest.raises(Conflict, match="is there already"), records.opened(path, HEADER):
            pass
    with pytest.raises(PvekitError, match="is not there"), records.opened(tmp_path / "no", HEADER, resume=True):
        pass


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.jsonl"
    with records.opened(path, HEADER) as store:
        store.append("http", "c1", {})

        def full(_handle: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("pvekit.adapters.llm.records.os.fsync", full)
        with pytest.raises(PvekitError, match="No space left"):
            store.append("http", "c2", {"x": "y" * 1000})
    assert [one.key for one in records.load(path)] == ["header", "c1"]


@pytest.mark.parametrize("bad", ["{", "[]", '{"kind":"nothing","key":"a","at":"b","data":{}}',
                                 '{"kind":"http","key":1,"at":"b","data":{}}',
                                 '{"kind":"http","key":"a","at":"b","data":{},"version":2}',
                                 "[" * 100_000])  # fmt: skip
def test_a_line_that_is_no_record_is_named(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "r.jsonl"
    with records.opened(path, HEADER):
        pass
    good = path.read_text()
    path.write_text(f"{good}{bad}\n{good}")
    with pytest.raises(PvekitError, match=r"r\.jsonl:2: cannot be read"):
        records.load(path)

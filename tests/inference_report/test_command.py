"""The command, and the picture by a real browser."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvekit.adapters import browser
from pvekit.cli.llm.report import command
from pvekit.model.errors import Conflict, PvekitError
from pvekit.workflows import llm_explain
from pvekit.workflows import llm_report as work
from tests.inference_report.made import FILE, explanation, real


@pytest.fixture(autouse=True)
def reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explaining has tests of its own."""
    monkeypatch.setattr(llm_explain, "explain", lambda _observed: explanation("the reason"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "old.jsonl"
    path.write_bytes(FILE.read_bytes())
    return path


def test_the_page_lies_next_to_the_results(results: Path) -> None:
    done = CliRunner().invoke(command, [str(results)])
    assert done.exit_code == 0, done.output
    text = results.with_suffix(".html").read_text(encoding="utf-8")
    assert "<h1>gemma3 270M" in text
    assert "the reason" in text
    again = CliRunner().invoke(command, [str(results)])
    assert isinstance(again.exception, Conflict)


def test_markdown_alone(results: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(results), str(FILE), "--md", str(tmp_path / "x.md")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "x.md").read_text(encoding="utf-8").startswith("# gemma3 270M")
    assert not results.with_suffix(".html").exists()


def test_files_of_one_name_are_told_apart(results: Path) -> None:
    page = work.of_files([results, results, results])
    assert [machine.label for machine in page.machines] == ["old", "old (2)", "old (3)"]


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_what_llama_bench_wrote_itself_is_taken(tmp_path: Path, form: str) -> None:
    rows = [json.loads(record.data["raw"]) for record in real() if record.kind == "llama-bench"]
    path = tmp_path / "own.json"
    path.write_text(json.dumps(rows, indent=2) if form == "json" else "".join(f"{json.dumps(row)}\n" for row in rows))
    (machine,) = work.of_files([path]).machines
    assert len(machine.benches) == len(rows)
    assert machine.started.startswith("20")


@pytest.mark.parametrize("content", ["", "no JSON\n", '{"kind": 1}\n'])
def test_a_file_without_records_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(PvekitError) as caught:
        work.of_files([path])
    assert str(path) in str(caught.value)
    with pytest.raises(PvekitError):
        work.of_files([tmp_path / "none.jsonl"])


def test_without_a_browser_it_names_the_package(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(command, [str(results), "--png", str(tmp_path / "x.png")])
    assert isinstance(done.exception, PvekitError)
    assert "chromium" in done.exception.hint
    assert not (tmp_path / "x.png").exists()


def test_a_browser_that_fails_is_named(tmp_path: Path) -> None:
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\necho cannot open display >&2\nexit 3\n")
    path.chmod(0o755)
    with pytest.raises(PvekitError, match=r"ended with 3: cannot open display"):
        browser.picture("<body></body>", 600, browser=browser.Browser(str(path), chromium=True))
    with pytest.raises(PvekitError, match="cannot be started"):
        browser.picture("<body></body>", 600, browser=browser.Browser(str(tmp_path / "none"), chromium=False))


@pytest.mark.slow
@pytest.mark.skipif(browser.find() is None, reason="no browser is installed that could take a picture")
def test_the_picture_shows_the_whole_page() -> None:
    page = work.make([("results", work.records(FILE))])
    made = work.png(page, when="2026-11-29", width=600)
    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", made[16:24])
    assert width == 600
    assert height > 3000
    assert len(made) > 50_000

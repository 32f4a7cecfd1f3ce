"""Results of benchmarks as a page (HTML), as Markdown and as a picture (PNG)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pvekit
from pvekit.adapters import browser
from pvekit.adapters.files import write_atomic
from pvekit.adapters.llm.records import load
from pvekit.adapters.templates import render
from pvekit.inference.explanation import Explanation
from pvekit.inference.hardware import Hardware
from pvekit.inference.report import printed, read, tables
from pvekit.inference.report.markdown import markdown
from pvekit.inference.report.page import Page, page
from pvekit.inference.report.scrub import Scrub
from pvekit.inference.report.swatch import swatch
from pvekit.inference.report.why import scrubbed
from pvekit.model.benchmark import Record
from pvekit.model.errors import Conflict, PvekitError

TEMPLATE = "report/llm.html.j2"
WIDTH = 1280
"""Of a picture, in pixels."""


def make(
    results: Sequence[tuple[str, Sequence[Record]]],
    *,
    explanations: Sequence[Explanation | None] = (),
    hardware: Sequence[Hardware | None] = (),
    names: Sequence[str] = (),
) -> Page:
    """Return the page of results, each with its label. ``names`` are hosts to hide beside those in the results."""
    own = socket.gethostname()
    scrub = Scrub([*names, own, *(name for _, records in results for name in read.hosts(records))])
    machines = []
    for index, (label, records) in enumerate(results):
        explanation = explanations[index] if index < len(explanations) else None
        machines.append(read.machine(
            records,
            label=scrub(label),
            scrub=scrub,
            explanation=None if explanation is None else scrubbed(explanation, scrub),
            hardware=hardware[index] if index < len(hardware) else None,
        ))  # fmt: skip
    return page(machines)


def html(found: Page, *, when: str, scheme: str = "") -> str:
    """Return the page as HTML. ``scheme`` is light or dark; without one the reader's browser chooses."""
    variables: dict[str, Any] = {
        "page": found, "version": pvekit.__version__, "when": when, "scheme": scheme,
        "state": tables.state, "at": tables.when, "swatch": swatch,
    }  # fmt: skip
    return render(TEMPLATE, variables)


def text(found: Page, *, when: str) -> str:
    """Return the page as Markdown."""
    return markdown(found, version=pvekit.__version__, when=when)


def png(found: Page, *, when: str, scheme: str = "light", width: int = WIDTH) -> bytes:
    """Return the page as a picture. Raises PvekitError when no browser is there that could take it."""
    return browser.picture(html(found, when=when, scheme=scheme), width, browser=browser.need())


def refuse_existing(paths: Sequence[Path]) -> None:
    """Refuse to write over what is there. Raises Conflict."""
    for path in paths:
        if path.exists():
            raise Conflict("is there already", status=0, where=str(path), hint="Name another file, or remove it.")


def save(path: Path, content: str | bytes) -> None:
    """Write what was made, unless something is at ``path`` meanwhile."""
    write_atomic(path, content if isinstance(content, bytes) else content.encode(), exclusive=True)


def of_files(paths: Sequence[Path]) -> Page:
    """Return the page of results files, with what explains their speeds.

    Raises PvekitError for a file that cannot be read or holds no record.
    """
    results = [(label, records(path)) for label, path in zip(_labels(paths), paths, strict=True)]
    return make(results, explanations=[explained(path) for path in paths])


def records(path: Path) -> list[Record]:
    """Return a file's records; what llama-bench itself wrote (json or jsonl) counts as well.

    Raises PvekitError when it cannot be read or holds none.
    """
    try:
        found = load(path)
    except PvekitError:
        found = printed.records(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else []
        if not found:
            raise
    if not found:
        raise PvekitError("holds no record of a benchmark", where=str(path), hint="pvekit llm bench writes such files.")
    return found


def explained(path: Path) -> Explanation | None:
    """Return what explains the speeds of a results file, or None where no speed is in it."""
    from pvekit.workflows import llm_explain

    observed = llm_explain.observe([str(path)])
    return llm_explain.explain(observed) if observed.runs else None


def _labels(paths: Sequence[Path]) -> list[str]:
    """Return the names of the files, told apart by a number where they are alike."""
    found: list[str] = []
    for path in paths:
        label, number = path.stem, 2
        while label in found:
            label, number = f"{path.stem} ({number})", number + 1
        found.append(label)
    return found

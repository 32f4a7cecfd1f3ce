"""The page as Markdown: the tables and the sentences, for a forum or a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvekit.inference.explanation import Explanation
from pvekit.inference.report.page import Page
from pvekit.inference.report.tables import Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def table(found: Table) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(escape(head) or ' ' for head in found.heads)} |"
    yield f"| {' | '.join('---:' if at in found.numeric else '---' for at in range(len(found.heads)))} |"
    for row in found.rows:
        yield f"| {' | '.join(escape(cell) for cell in row)} |"


def markdown(page: Page, *, version: str, when: str) -> str:
    """Return the whole page."""
    return "\n".join([*_head(page), *_body(page), "", f"pvekit {escape(version)}, {escape(when)}.", ""])


def _head(page: Page) -> Iterator[str]:
    yield f"# {escape(page.title)}"
    yield ""
    for tile in page.tiles:
        note = f" ({escape(tile.note)})" if tile.note else ""
        yield f"- **{escape(tile.name)}**: {escape(tile.value)} {escape(tile.unit)}{note}"
    if page.overview is not None:
        yield from table(page.overview)


def _body(page: Page) -> Iterator[str]:
    many = len(page.machines) > 1
    for machine in page.machines:
        if machine.explanation is not None:
            yield from _explanation(machine.explanation, machine.label if many else "")
    for section in page.sections:
        yield from ("", f"## {escape(section.title)}", "")
        for figure in section.figures:
            yield from (f"- {escape(figure.title)}: {escape(sentence)}" for sentence in figure.says)
    for title, found in page.details:
        yield from ("", f"## {escape(title)}", "", *table(found))
    if page.environment.rows:
        yield from ("", "## Environment", "", *table(page.environment))
    yield from _failures(page)
    yield from _commands(page)
    yield from _end(page)


def _failures(page: Page) -> Iterator[str]:
    failures = [(machine.label, failure) for machine in page.machines for failure in machine.failures]
    if failures:
        yield from ("", "## Failed", "")
    for label, failure in failures:
        yield f"- {escape(label)}, {escape(failure.key)}: {escape(failure.what)}"
        if failure.tail:
            yield from _code(failure.tail, "  ")


def _commands(page: Page) -> Iterator[str]:
    if page.commands:
        yield from ("", "## How to measure the same again", "")
    for label, commands in page.commands:
        if len(page.machines) > 1:
            yield from (f"{escape(label)}:", "")
        yield from _code("\n".join(commands))


def _end(page: Page) -> Iterator[str]:
    if page.missing:
        yield from ("", "## Not in here", "", *(f"- {escape(sentence)}" for sentence in page.missing))
    source = page.compared
    if source is not None:
        counted = f"{source.rows} decode speeds of {source.hardware} kinds of hardware"
        names = escape("; ".join(source.names))
        yield from ("", f"Public results: {counted}, {source.oldest} to {source.newest}: {names}.")


def _explanation(found: Explanation, label: str) -> Iterator[str]:
    yield from ("", f"## Why{f': {escape(label)}' if label else ''}", "", escape(found.summary), "")
    for judgement in found.ranked:
        yield f"- **{escape(judgement.title)}**: {judgement.stance.value}, {100 * judgement.probability:.0f} %"
    if found.experiment is not None:
        yield from ("", f"What would tell: {escape(found.experiment.title)}", "")
        yield from _code("\n".join(found.experiment.commands))


def _code(text: str, before: str = "") -> Iterator[str]:
    """Yield a block of code, fenced by more marks than the text has in a row."""
    longest = max((len(marks) for marks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{before}{fence}", *(f"{before}{line}" for line in text.splitlines()), f"{before}{fence}")

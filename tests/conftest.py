"""Figures that a test measured are shown after the run, whoever ran it (``-n 2`` included)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings

# How long one example takes says how busy the machine is, not whether the law holds.
settings.register_profile("pvekit", deadline=None)
settings.load_profile("pvekit")

Figure = Callable[[str], None]

LONGEST = ("iommu/test_repair.py", "standin/test_standin.py", "e2e/test_windows.py", "e2e/test_llama.py")
"""Begin first, so that of two workers none is left alone with them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the rooms that take longest first, and give those that boot guests more time."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))
    for item in items:
        if item.get_closest_marker("guest") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Return a function that takes one line for the end of the run."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all tests, each after its test's name."""
    found = [
        (report.nodeid.partition("::")[2], str(value))
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if found:
        terminalreporter.section("figures")
    for test, text in found:
        terminalreporter.write_line(f"{test}: {text}")

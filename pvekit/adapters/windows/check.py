"""The last look at an answer CD's files before they are written."""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.adapters.windows.render import ANSWER
from pvekit.model.answer import Answer, Finding, Image, lint
from pvekit.model.answer.scripts import lint_script
from pvekit.model.errors import PreflightRefused

_SCRIPTS = (".cmd", ".ps1", ".vbs", ".txt")


def findings(rendered: Mapping[str, bytes], answer: Answer) -> list[Finding]:
    """Return every mistake in the rendered files; empty means that none was found."""
    image = Image(answer.edition_id, answer.language, answer.setup_language, answer.architecture)
    found = lint(rendered[ANSWER], image=image)
    for path, data in rendered.items():
        if path.endswith(_SCRIPTS):
            found += lint_script(path, data)
    return found


def check(rendered: Mapping[str, bytes], answer: Answer) -> None:
    """Raise PreflightRefused when the lint finds anything in the rendered files."""
    found = findings(rendered, answer)
    if found:
        raise PreflightRefused(
            [f"the answer file for {answer.computer} is wrong: {finding}" for finding in found],
            hint="Correct the field of the stack file that it names; if there is none, report this.",
        )

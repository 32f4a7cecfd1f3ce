"""Texts in scripts: what goes in comes out, or is refused. The readers here are written from the shells' own rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.windows.quoting import cmd, cmd_can_quote, powershell
from pvekit.model.answer.values import public_key
from pvekit.model.errors import PreflightRefused

MARKS = "'\u2018\u2019\u201a\u201b"
texts = st.text(st.one_of(st.characters(), st.sampled_from(MARKS + '"$`%^&|<>()!;#\r\n\0\u2028')), max_size=40)


def read_powershell(literal: str) -> tuple[str, str]:
    """Read a single-quoted literal as PowerShell does; return its text and what stands behind it.

    Any of five marks opens it; any closes it, unless a second mark follows: then the first of the two is meant.
    """
    assert literal[0] in MARKS
    text, at = "", 1
    while at < len(literal):
        if literal[at] in MARKS:
            if at + 1 < len(literal) and literal[at + 1] in MARKS:
                text += literal[at]
                at += 2
                continue
            return text, literal[at + 1 :]
        text += literal[at]
        at += 1
    raise AssertionError("the literal is not closed")


def read_cmd(line: str) -> str:
    """Read ``set "NAME=text"`` as cmd does in a script: percent signs first, then the last quote ends the text."""
    assert "%" not in line
    assert line.startswith('set "NAME=')
    assert line.count('"') == 2
    return line[len('set "NAME=') : line.rindex('"')]


@settings(max_examples=500)
@given(texts)
def test_powershell_reads_what_was_written(text: str) -> None:
    try:
        literal = powershell(text)
    except ValueError:
        assert not text.isprintable()
        return
    assert read_powershell(f"{literal}, 'more'") == (text, ", 'more'")
    assert "\n" not in literal
    assert "\r" not in literal


@settings(max_examples=500)
@given(texts)
def test_cmd_reads_what_was_written(text: str) -> None:
    if not cmd_can_quote(text):
        with pytest.raises(ValueError, match="does not go into a cmd script"):
            cmd(text)
        return
    line = f'set "NAME={cmd(text)}"'
    assert line.isascii()
    assert read_cmd(line) == text


@pytest.mark.parametrize("text", ['a"b', "50%", "a\nb", "a\\", "ä", "", "x" * 201])
def test_cmd_refuses(text: str) -> None:
    assert not cmd_can_quote(text)


@settings(max_examples=300)
@given(st.text(st.one_of(st.characters(), st.sampled_from("\r\n\u2028\x85\x0b'")), max_size=30))
def test_a_public_key_is_one_line_or_refused(comment: str) -> None:
    text = f"ssh-ed25519 AAAAC3NzaC1lZDI1 {comment}"
    try:
        line = public_key(text)
    except PreflightRefused:
        assert not text.strip().isprintable()
        return
    assert line == text.strip()
    assert len(line.splitlines()) == 1

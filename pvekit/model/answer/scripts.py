"""Checks of the scripts beside an answer file that cost nothing: line ends, characters, lengths, quotes."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.answer.finding import Finding

_CMD_LINE_LIMIT = 8191
"""cmd.exe takes no longer line."""
_BOM = b"\xef\xbb\xbf"


def lint_script(path: str, data: bytes) -> Iterator[Finding]:
    """Yield what Windows would stumble over in a script. ``path`` ends in .cmd, .ps1, .vbs or .txt."""
    if path.endswith(".ps1"):
        if not data.startswith(_BOM):
            yield Finding(1, path, "PowerShell 5 reads a file without byte order mark in the old code page")
        try:
            text = data.removeprefix(_BOM).decode()
        except UnicodeDecodeError:
            yield Finding(0, path, "the script is no UTF-8")
            return
    else:
        text = data.decode("latin-1")
        if not text.isascii():
            yield Finding(_line(text), path, "the script has characters that are not ASCII")
    if not text.endswith("\r\n") or not text.count("\n") == text.count("\r") == text.count("\r\n"):
        yield Finding(0, path, "the lines do not all end with CR LF")
    for number, line in enumerate(text.split("\r\n"), start=1):
        if any(character < " " and character not in "\t\r\n" for character in line):
            yield Finding(number, path, "the line has a control character")
        if path.endswith(".cmd"):
            yield from _cmd_line(path, number, line)


def _cmd_line(path: str, number: int, line: str) -> Iterator[Finding]:
    if len(line) > _CMD_LINE_LIMIT:
        yield Finding(number, path, f"the line has {len(line)} characters", f"cmd takes {_CMD_LINE_LIMIT}.")
    if line.count('"') % 2:
        yield Finding(number, path, "a quote is not closed")


def _line(text: str) -> int:
    before = next(at for at, character in enumerate(text) if not character.isascii())
    return text.count("\n", 0, before) + 1

"""Every command line that a page shows can be typed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from pvekit.cli.main import pvekit_group
from tests.docs.pages import ROOT, blocks, pages, prose

Case = tuple[str, str]


def _lines() -> Iterator[Case]:
    for block in blocks("bash", "console"):
        for number, line in enumerate(block.text.splitlines(), block.line):
            text = line.removeprefix("$ ").strip()
            if block.language == "console" and not line.startswith("$ "):
                continue
            for part in re.split(r"&&|\|\||;(?!;)", text):
                words = part.strip().removeprefix(".venv/bin/")
                if words.startswith("pvekit "):
                    yield f"{block.page.relative_to(ROOT)}:{number}", words


def _words(line: str) -> list[str]:
    words = shlex.split(line, comments=True)[1:]
    cut = next((at for at, word in enumerate(words) if word.startswith((">", "2>"))), len(words))
    return words[:cut]


def resolve(words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words call, and the rest of them. UsageError for a command that is not there."""
    command: click.Command = pvekit_group
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        context = click.Context(command)
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"there is no command {rest[0]!r} in {' '.join(words)!r}")
        command, rest = found, rest[1:]
    return command, rest


@pytest.mark.parametrize(("where", "line"), [pytest.param(w, line, id=w) for w, line in _lines()])
def test_a_command_line_of_a_page_parses(where: str, line: str) -> None:
    command, rest = resolve(_words(line))
    try:
        # Click remembers each command's help option as it is first asked for
        command.make_context(command.name, rest, **pvekit_group.context_settings)
    except click.exceptions.Exit:
        return  # --help and --version
    except click.UsageError as error:
        pytest.fail(f"{where}: {line}: {error.format_message()}")
    assert not isinstance(command, click.Group), f"{where}: {line} needs a subcommand"


def _mentions() -> Iterator[Case]:
    for page in pages():
        for found in re.finditer(r"`pvekit ([a-z-]+[^`]*)`", prose(page)):
            yield str(page.relative_to(ROOT)), found[1]


def _messages() -> Iterator[Case]:
    """Yield what messages of the program tell people to type."""
    for path in sorted((ROOT / "pvekit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for found in re.finditer(r"(?:: |`)pvekit (?!works)([a-z]+(?: -?-?[a-z]+)*)", node.value):
                    yield str(path.relative_to(ROOT)), found[1]


@pytest.mark.parametrize(("where", "text"), [*dict.fromkeys(_mentions()), *dict.fromkeys(_messages())])
def test_a_command_that_is_mentioned_exists(where: str, text: str) -> None:
    # "lab start|stop" and "snapshot|rollback" stand for several commands.
    head, *others = text.split("|")
    *parents, _last = head.split()
    for each in [head, *(" ".join([*parents, other]) for other in others)]:
        command, rest = resolve(each.split())
        known = {option for item in command.params for option in (*item.opts, *item.secondary_opts)}
        unknown = {word for word in rest if word.startswith("-") and word not in known | {"--help", "--version"}}
        assert not unknown, f"{where}: pvekit {each}: {command.name} has no {', '.join(sorted(unknown))}"


def test_scripts_that_the_pages_name_exist() -> None:
    for page in pages():
        for name in re.findall(r"\bscripts/([a-z]+)\b", page.read_text(encoding="utf-8")):
            assert (ROOT / "scripts" / name).is_file(), f"{page.name} names scripts/{name}"


def test_files_of_the_repository_that_the_pages_name_exist() -> None:
    pattern = re.compile(r"`((?:pvekit|playbooks|inventory|templates|docs|tests|schema)/[\w./-]+)`")
    for page in pages():
        for name in pattern.findall(page.read_text(encoding="utf-8")):
            if "NAME" not in name:
                assert (ROOT / Path(name)).exists(), f"{page.name} names {name}"

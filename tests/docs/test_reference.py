"""Every command, kind, error, playbook and field of the stack file has its row; the shipped schema is the code's."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from pvekit import guests
from pvekit.cli.main import pvekit_group, run
from pvekit.model import errors
from pvekit.provision import privileges
from tests.docs.pages import ROOT, blocks, generator

SCHEMA = ROOT / "schema" / "stack.schema.json"


def test_the_shipped_schema_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    printed = capsys.readouterr().out
    assert SCHEMA.read_text(encoding="utf-8") == printed, "run: python docs/generate.py"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "inventory").glob("*.yaml")), ids=lambda path: path.name)
def test_the_schema_accepts_the_examples(path: Path) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema, jsonschema.Draft202012Validator)


def test_the_schema_accepts_the_whole_stacks_of_the_pages() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    whole = [found for block in blocks("yaml") if "pvekit" in (found := yaml.safe_load(block.text))]
    assert whole
    for stack in whole:
        jsonschema.validate(stack, schema, jsonschema.Draft202012Validator)


def test_every_command_has_its_section() -> None:
    page = generator().cli_page()
    for words, command in generator().commands(pvekit_group):
        assert f"\n## {' '.join(words)}\n" in page
        assert command.help, f"{' '.join(words)} says nothing about itself"
        for item in command.params:
            if item.param_type_name == "option" and "--help" not in item.opts and not getattr(item, "hidden", False):
                assert max(item.opts, key=len) in page
                told = getattr(item, "help", None) or isinstance(item.type, click.Choice) or item.default
                assert told, f"{' '.join(words)} {item.opts} says nothing about itself"


def test_every_kind_has_its_row() -> None:
    page = generator().kinds_page()
    for kind in guests.kinds():
        row = re.search(rf"^\| `{kind}` \| (.+) \|$", page, re.MULTILINE)
        assert row, f"{kind} has no row"
        assert len(row[1]) > 10, f"the docstring of guests/{kind}.py says nothing"


def test_every_error_has_its_row() -> None:
    page = generator().exit_codes_page()
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, errors.PvekitError):
            assert f"| {error.code} | `{name}` | " in page


def test_no_error_uses_a_code_that_means_something_else() -> None:
    codes = {error.code for _, error in inspect.getmembers(errors, inspect.isclass) if hasattr(error, "code")}
    assert not codes & {0, 2, 64, 141}


def test_every_playbook_has_its_section_and_its_variables() -> None:
    page = generator().playbooks_page()
    for path in (ROOT / "playbooks").glob("*.yml"):
        assert f"\n## {path.name}\n" in page
        used = set(
            re.findall(r"\bpvekit_(?:packages|users|timezone|updates|agent)\b", path.read_text(encoding="utf-8"))
        )
        assert all(name in page for name in used)


def test_every_field_of_the_stack_file_has_its_row() -> None:
    page = generator().stack_page()
    document: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for shape in [document, *document["$defs"].values()]:
        for field in shape["properties"]:
            assert re.search(rf"^\| `{field}` \| \S.* \| \S.* \|$", page, re.MULTILINE), f"{field} says nothing"


def test_every_privilege_of_the_code_is_in_the_table() -> None:
    page = generator().privileges_page()
    source = inspect.getsource(privileges)
    named = set(re.findall(r'"((?:VM|Datastore|Sys|SDN)\.[A-Za-z.]+)"', source))
    assert named
    assert all(f"`{name}`" in page for name in named)


def test_the_generator_writes_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = generator()
    monkeypatch.setattr(module, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(module, "SCHEMA", tmp_path / "schema" / "stack.schema.json")
    assert module.main(["--check"]) == 1
    assert module.main([]) == 0
    assert module.main(["--check"]) == 0
    assert {path.name for path in (tmp_path / "reference").iterdir()} == {*module.PAGES, "stack.schema.json"}

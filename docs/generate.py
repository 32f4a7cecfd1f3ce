"""Writes docs/reference/ and schema/ from the code: ``python docs/generate.py``. Nothing there is written by hand."""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
SCHEMA = ROOT / "schema" / "stack.schema.json"
_NOTICE = "<!-- Made by docs/generate.py from the code. Changes here are lost. -->\n\n"

Row = tuple[str, ...]


def table(header: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table."""
    lines: list[Row] = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# Commands


def commands(group: click.Group, parents: Row = ("pvekit",)) -> Iterator[tuple[Row, click.Command]]:
    """Yield every command with the words that call it, subcommands included."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101 - it was listed
        words = (*parents, name)
        yield words, command
        if isinstance(command, click.Group):
            yield from commands(command, words)


def cli_page() -> str:
    """Return the reference of all commands."""
    from pvekit.cli.main import pvekit_group

    found = list(commands(pvekit_group))
    rows = [(f"[`{' '.join(words)}`](#{'-'.join(words)})", _summary(command)) for words, command in found]
    parts = ["# Commands\n", "`pvekit --version` prints the version, `-h` or `--help` any command's help.\n"]
    parts.append(table(("Command", "What it does"), rows))
    parts += [_command(words, command) for words, command in found if not isinstance(command, click.Group)]
    parts += [_group(words, command) for words, command in found if isinstance(command, click.Group)]
    return "\n".join(parts)


def _summary(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").partition("\n\n")[0]


def _group(words: Row, command: click.Command) -> str:
    return f"## {' '.join(words)}\n\n{inspect.cleandoc(command.help or '')}\n"


def _command(words: Row, command: click.Command) -> str:
    # Click remembers each command's help option as it is first asked for
    context = click.Context(command, info_name=" ".join(words), help_option_names=["-h", "--help"])
    usage = " ".join(command.collect_usage_pieces(context))
    text = (
        f"## {' '.join(words)}\n\n```text\n{' '.join(words)} {usage}\n```\n\n{inspect.cleandoc(command.help or '')}\n"
    )
    rows = []
    for item in command.get_params(context):
        record = item.get_help_record(context)
        if record is not None and "--help" not in item.opts:
            rows.append((f"`{record[0]}`", record[1]))
    return f"{text}\n{table(('Option', 'Meaning'), rows)}" if rows else text


# Stack file

_STACK_HEAD = """\
Sizes are written with a unit (`20GiB`), durations too (`30s`, `5m`). Unknown keys are mistakes. The same as
[JSON Schema](stack.schema.json), for editors; `pvekit schema` prints it.
"""


def stack_page() -> str:
    """Return the reference of the stack file, one section per mapping."""
    document = _schema()
    definitions: Mapping[str, Any] = document["$defs"]
    parts = [
        "# Stack file\n",
        _STACK_HEAD,
        _section("The file", document, definitions),
    ]
    order = ["HostShape", "TokenShape", "LoginShape", "TimeoutsShape", "ParallelShape", "ImageShape", "VmShape"]
    rest = [name for name in definitions if name not in order]
    names = [name for name in (*order, *rest) if name != "VmFields"]
    parts += [_section(_heading(name), definitions[name], definitions) for name in names]
    return "\n".join(parts)


def _heading(name: str) -> str:
    return name.removesuffix("Shape").lower()


def _section(title: str, shape: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    required = set(shape.get("required", ()))
    rows: list[Row] = []
    for key, field in shape["properties"].items():
        needed = " **Required.**" if key in required else ""
        target = definitions.get(str(field.get("$ref", "")).rpartition("/")[2], {})
        meaning = field.get("description") or target.get("description", "")
        rows.append((f"`{key}`", _type(field), f"{meaning}{needed}"))
    return f"## {title}\n\n{shape.get('description', '')}\n\n{table(('Key', 'Value', 'Meaning'), rows)}"


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return _reference(field["$ref"])
    if "anyOf" in field:
        kinds = [_type(each) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    named = [each for each in field.get("patternProperties", {}).values() if "$ref" in each]
    if named:
        return f"name: {_reference(named[0]['$ref'])}"
    kind = field.get("type")
    words = {"string": "text", "integer": "number", "boolean": "true or false", "object": "mapping"}
    return words.get(kind, "any") if isinstance(kind, str) else "any"


def _reference(target: str) -> str:
    name = target.rpartition("/")[2]
    heading = _heading("VmShape" if name == "VmFields" else name)
    return f"[{heading}](#{heading})"


def _schema() -> dict[str, Any]:
    from pvekit.model.stack import schema

    return schema()


def schema_text() -> str:
    """Return what ``pvekit schema`` prints."""
    from pvekit.cli.show import as_json

    return as_json(_schema()) + "\n"


# Exit codes


def exit_codes_page() -> str:
    """Return the exit codes, read from the error tree."""
    from pvekit.cli.commands.plan import CHANGES
    from pvekit.cli.main import USAGE
    from pvekit.model import errors

    rows: list[tuple[int, str, str]] = [
        (0, "", "Done, or nothing to do."),
        (CHANGES, "", "`pvekit plan` only: there are changes."),
        (USAGE, "", "The command line is wrong."),
        (141, "", "The reader of the output went away."),
    ]
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, errors.PvekitError):
            text = inspect.cleandoc(error.__doc__ or "").replace("``", "`")
            rows.append((error.code, f"`{name}`", text.partition("\n\n")[0]))
    rows.sort(key=lambda row: (row[0], row[1]))
    return (
        "# Exit codes\n\nEvery error says what happened, where, and the next step. Several VMs can fail in one run: "
        "the first failure gives the code.\n\n"
        + table(("Code", "Error", "Meaning"), [(str(code), name, text) for code, name, text in rows])
    )


# Kinds


def kinds_page() -> str:
    """Return the kinds of VM: the first line of each module of ``pvekit/guests``."""
    from pvekit import guests

    rows = []
    for kind in sorted(guests.kinds()):
        module = importlib.import_module(f"pvekit.guests.{kind}")
        rows.append((f"`{kind}`", inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0]))
    return "# Kinds of VM\n\n`kind:` says what a VM is.\n\n" + table(("Kind", "What it is"), rows)


# Playbooks


def playbooks_page() -> str:
    """Return the playbooks and their variables: the comment at the top of each file."""
    parts = ["# Playbooks\n", "They run through `pvekit up`, and by hand: [how](../how-to/inventory.md).\n"]
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        head = []
        for line in lines:
            if not line.startswith("#"):
                break
            head.append(line.removeprefix("#").removeprefix(" "))
        prose, _, variables = "\n".join(head).partition("Variables")
        parts.append(f"## {path.name}\n\n{prose.strip()}\n")
        if variables:
            intro, _, listing = variables.partition("\n")
            parts.append(f"Variables{intro}\n\n```text\n{inspect.cleandoc(listing)}\n```\n")
    return "\n".join(parts)


# Privileges

_SAMPLE = """\
pvekit: 1
name: sample
host: lab
defaults: {storage: DISKS, iso_storage: ISOS, image_storage: IMAGES, bridge: BRIDGE}
images:
  cloud: {url: "https://example.org/cloud.qcow2", sha256: "%s"}
vms:
  vm:
    kind: debian
    image: cloud
    firmware: ovmf
    tpm: true
    start: {order: 1}
    gpus: [card]
gpus:
  card: {match: {id: "10de:1c07"}}
""" % ("0" * 64)


def privileges_page() -> str:
    """Return every privilege that a plan can need, computed by the same function that checks the token."""
    from pvekit import guests
    from pvekit.model.facts import Facts, NodeFacts
    from pvekit.model.plan import Action, Change, Verb
    from pvekit.model.stack import load
    from pvekit.provision.diff import plan_for
    from pvekit.provision.placement import place
    from pvekit.provision.privileges import needs

    stack = load(_SAMPLE, "sample", guests.kinds())
    facts = Facts({"NODE": NodeFacts("NODE", True, 8, 1 << 35, 0)}, (), (), {}, {})
    vms = place([guests.desired(stack, vm) for vm in stack.vms], facts)
    actions = list(plan_for(stack.name, vms, facts).actions)
    change = Change("memory", "1024", "2048")
    actions += [Action(verb.value, verb, "vm", (change,)) for verb in (Verb.CONFIGURE, Verb.RESIZE, Verb.RESTART)]
    actions += [Action("mapping:sample-card", Verb.MAPPING, ""), Action("prove", Verb.PROVE, "vm")]
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for name, version in (("8.4", (8, 4)), ("9", (9, 2))):
        for need in needs(actions, {vm.name: vm for vm in vms}, version):
            purposes = found.setdefault((need.path, need.privilege), {}).setdefault(name, set())
            purposes.add(need.purpose)
    rows: list[Row] = []
    for (path, privilege), versions in sorted(found.items()):
        reasons = sorted({reason for each in versions.values() for reason in each})
        rows.append((f"`{path}`", f"`{privilege}`", ", ".join(reasons), " and ".join(sorted(versions))))
    return _PRIVILEGES_HEAD + table(("Path", "Privilege", "What for", "PVE"), rows) + _PRIVILEGES_TAIL


_PRIVILEGES_HEAD = """\
# Privileges

What a token needs for `pvekit plan` and `pvekit up`. pvekit computes it from the plan: a plan that makes no disks asks
for no disk space. What is missing is printed as `pveum` lines before anything is touched.

`NODE`, `BRIDGE`, `DISKS`, `ISOS` and `IMAGES` stand for your names. With `pool:`, `/pool/NAME` takes the place of
`/vms`.

"""
_PRIVILEGES_TAIL = """
`Sys.Audit` on `/nodes/NODE` is not needed, but lets the plan judge memory and processors. In Proxmox VE a role on a
path takes the place of what is inherited from above; it does not add to it. Several roles on one path add up.
`VM.GuestAgent.Unrestricted` is taken instead of the two smaller privileges of the guest agent.

A stack with `gpus:` also needs `Sys.Audit` on `/`, to see the devices of its nodes. A Windows VM with a card needs
`VM.GuestAgent.Unrestricted`: Windows tells its devices to a program only. Without cards, nothing on `/mapping/pci` is
needed.

Other commands need what PVE's API asks for them: `pvekit snapshot` `VM.Snapshot`, `pvekit rollback`
`VM.Snapshot.Rollback` (and `VM.PowerMgmt`), `pvekit console` `VM.Console`, `pvekit down` `VM.Allocate` and
`VM.PowerMgmt`, and `Datastore.Allocate` where a seed is left over.
"""


# Passthrough checks


def checks_page() -> str:
    """Return the catalogue of the passthrough checks, from the checks themselves."""
    from pvekit.model.finding import Layer
    from pvekit.passthrough.checks import all_checks

    checks = all_checks()
    parts = [
        "# Passthrough checks\n",
        f"`pvekit passthrough diagnose` knows {len(checks)} causes; `pvekit passthrough explain` shows the same.\n",
        table(("Id", "Layer", "Cause"), [(f"[{c.id}](#{c.id.lower()})", c.layer.value, c.title) for c in checks]),
    ]
    for layer in Layer:
        chosen = [check for check in checks if check.layer is layer]
        parts += [f"## {layer.value}\n"] if chosen else []
        for check in chosen:
            sources = "".join(f"* {source}\n" for source in check.sources)
            parts.append(f"### {check.id}\n\n**{check.title}.**\n\n{_page(check.page)}\n\nSources:\n\n{sources}")
    return "\n".join(parts)


def _page(text: str) -> str:
    """Return a check's page as Markdown: the code marks of docstrings become those of Markdown."""
    return text.replace("``", "`")


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "stack.md": stack_page,
    "exit-codes.md": exit_codes_page,
    "kinds.md": kinds_page,
    "playbooks.md": playbooks_page,
    "privileges.md": privileges_page,
    "passthrough-checks.md": checks_page,
}


def main(argv: list[str] | None = None) -> int:
    """Write everything, or with --check say whether the shipped schema is that of the code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if schema/ is out of date")
    options = parser.parse_args(argv)
    text = schema_text()
    if options.check:
        return 0 if SCHEMA.is_file() and SCHEMA.read_text(encoding="utf-8") == text else 1
    REFERENCE.mkdir(exist_ok=True)
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(text, encoding="utf-8")
    (REFERENCE / "stack.schema.json").write_text(text, encoding="utf-8")
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(_NOTICE + make(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

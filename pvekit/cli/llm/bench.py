"""pvekit llm bench."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.hints import DEFAULT
from pvekit.cli.options import lab_option

if TYPE_CHECKING:
    from pvekit.adapters.secrets import Secret
    from pvekit.workflows.llm_bench_suites import Suite
    from pvekit.workflows.llm_bench_targets import Target

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("name", metavar="[VM]", required=False)
@click.option("--local", is_flag=True, help="This machine.")
@click.option("--url", metavar="URL", help="Any server with OpenAI's API; its HTTP part only.")
@click.option(
    "--key",
    "--api-key",
    "key",
    metavar="env:NAME",
    help="Where the server's key is. A VM's own key is found by itself.",
)
@click.option("--suite", "suite_name", type=click.Choice(("quick", "full", "soak")), default="quick", show_default=True,
              help="How much is measured.")  # fmt: skip
@click.option("--model", metavar="FILE", help="With --local: the GGUF file. With --url: the model's name.")
@click.option("--compare", type=_FILE, metavar="FILE", help="Results to put beside these.")
@click.option("-o", "--out", type=_FILE, metavar="FILE", help="The results (JSONL). Default: named after the day.")
@click.option("--resume", is_flag=True, help="Go on with a run that ended early.")
@click.option("--plug", default="", metavar="WHAT", help="A power plug: cmd:COMMAND or http://address#name.")
@click.option("--llama-bench", "bench", default="", metavar="COMMAND", help="How llama-bench is called there.")
@click.option("--llama-server", "program", default="", metavar="COMMAND", help="With --local: how it is called.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="With --local: the server's port.")
@click.option("-s", "--stack", type=_FILE, envvar="PVEKIT_STACK", help=f"The stack file (if there: {DEFAULT}).")
@lab_option
def command(
    *, name: str | None, local: bool, url: str | None, key: str | None, suite_name: str, model: str | None,
    compare: Path | None, out: Path | None, resume: bool, plug: str, bench: str, program: str, port: int,
    stack: Path | None, lab: bool,
) -> None:  # fmt: skip
    """Measure a model's speed, and keep every sample.

    First llama-bench on the machine (prefill, decode, depths, batches, threads), then the served API over HTTP with
    several clients. What is predicted is written down before. Every record is on disk before the next measurement
    starts: a run that was ended goes on with --resume. The server of a VM rests while llama-bench runs.
    """
    from pvekit.adapters.llm import records
    from pvekit.cli import llm_show_bench as show
    from pvekit.workflows import llm_bench as work
    from pvekit.workflows import llm_bench_compare as sums
    from pvekit.workflows.llm_bench_suites import SUITES

    if sum((name is not None, local, url is not None)) != 1:
        raise click.UsageError("Name a VM, or say --local, or give --url.")
    if local and not model:
        raise click.UsageError("--local needs --model FILE.")
    before = records.load(compare) if compare is not None else None
    suite = SUITES[suite_name]
    way = _Way(name or "", url, key, model or "", bench, program, port, stack, lab)
    with way.opened(suite) as target:
        path = out or Path(f"llm-bench-{_plain(target.name)}-{records.now()[:10]}.jsonl")
        done = work.run(target, suite, path, command=_shown(), resume=resume, plug=plug,
                        say=lambda text: click.echo(text, err=True))  # fmt: skip
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(show.text(done.records, sums.lines(done.records)))
    if before is not None and compare is not None:
        click.echo(f"\n{show.compared(sums.compare(before, done.records), compare.stem)}")
    click.echo(f"\nrecords: {path}", err=True)
    if done.stopped is not None:
        raise done.stopped


@dataclass(frozen=True)
class _Way:
    """How the target is reached."""

    name: str
    url: str | None
    key: str | None
    model: str
    bench: str
    program: str
    port: int
    stack: Path | None
    lab: bool

    @contextmanager
    def opened(self, suite: Suite) -> Iterator[Target]:
        """Open it."""
        from pvekit.workflows import llm_bench_targets as targets

        bench = tuple(shlex.split(self.bench))
        if self.url is not None:
            yield targets.at_address(self.url, _secret(self.key), self.model)
        elif not self.name:
            program = tuple(shlex.split(self.program))
            yield targets.this_machine(Path(self.model), suite, bench=bench, program=program, port=self.port)
        else:
            from pvekit.workflows import llm_machine
            from pvekit.workflows.collect import Host

            with llm_machine.opened(Host(self.name, stack=self.stack), lab=self.lab) as machine:
                model = targets.said_by_stack(self.name, self.stack)
                yield targets.guest(machine, key=_secret(self.key), bench=bench, model=model)


def _secret(text: str | None) -> Secret | None:
    """Return the key that a reference names; the reference itself is never shown, since it may be the key."""
    from pvekit.adapters.secrets import resolve
    from pvekit.model.stack.secret import FORMS, parse_secret

    if text is None:
        return None
    try:
        return resolve(parse_secret(text))
    except ValueError:
        raise click.UsageError(f"--key is a reference to a key, not the key itself. {FORMS}") from None


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name.partition("://")[2] or name).strip("-")


def _shown() -> list[str]:
    """Return the command line as it was given; it holds no secret, since keys are references."""
    return ["pvekit", *(re.sub(r"//[^/@]*@", "//", word) for word in sys.argv[1:])]

"""pvekit llm explain."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.hints import DEFAULT
from pvekit.cli.options import json_option, lab_option
from pvekit.cli.passthrough_options import FILE, host_key_option, key_option

if TYPE_CHECKING:
    from pvekit.inference.explanation import Explanation
    from pvekit.inference.observed import Observed


@click.command()
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True)
@click.option("--run", "vm", metavar="VM|HOST", help="Perform the experiment there, and explain again.")
@click.option("--local", is_flag=True, help="Perform the experiment on this machine.")
@click.option("--model", default="", metavar="FILE", help="A GGUF file there. Default: what it serves, or a synthetic.")
@click.option("--llama-bench", "bench", default="", metavar="COMMAND", help="How llama-bench is called there.")
@json_option
@click.option("-s", "--stack", type=FILE, envvar="PVEKIT_STACK", help=f"The stack file (if there: {DEFAULT}).")
@lab_option
@key_option
@host_key_option
def command(
    *, results: tuple[str, ...], vm: str | None, local: bool, model: str, bench: str, as_json: bool, stack: Path | None,
    lab: bool, key: Path | None, host_key: str,
) -> int:  # fmt: skip
    """Say why it is as slow as it is.

    RESULTS are files, folders or archives, or - for what is piped in: records of llm bench, a file of llm probe,
    output of llama-bench, logs of llama.cpp and ollama, lscpu, dmidecode, nvidia-smi, lspci, a VM's configuration, or
    just what somebody wrote about it, in any mixture. Several causes that fit are ranked, and the experiment that
    tells them apart is named; --run and --local perform it where it needs no hands.

    Exit code 0: explained, or at its limit. 1: undecided. 2: not enough evidence.
    """
    from pvekit.cli import llm_show_explain as show
    from pvekit.workflows import llm_explain as work

    if vm is not None and local:
        raise click.UsageError("Say --run or --local, not both.")
    for path in results:
        if path != work.STDIN and not Path(path).exists():
            raise click.UsageError(f"There is no file or folder {path}.")
    observed = work.observe(results)
    explanation = work.explain(observed)
    if vm is not None or local:
        from pvekit.workflows.collect import HERE, Host

        where = Host(HERE if local or vm is None else vm, host_key, key, stack=stack)
        explanation = _tried(observed, explanation, where, (model, bench), lab=lab)
    click.echo(
        json.dumps(show.document(explanation), indent=2, ensure_ascii=False) if as_json else show.text(explanation)
    )
    return show.code(explanation)


def _tried(observed: Observed, first: Explanation, where: object, asked: tuple[str, str], *, lab: bool) -> Explanation:
    """Perform the experiment of an explanation, and return the explanation with its runs."""
    import shlex

    from pvekit.workflows import llm_experiment, llm_explain, llm_machine
    from pvekit.workflows.collect import Host

    def say(text: str) -> None:
        click.echo(text, err=True)

    if first.experiment is not None and not first.experiment.runnable:
        say(f"{first.experiment.title}: this needs hands; a sweep over threads is run instead")
    kind = llm_experiment.kind_of(first.experiment.id if first.experiment is not None else "")
    model, bench = asked
    assert isinstance(where, Host)  # noqa: S101 the type is only imported where it is needed
    with ExitStack() as stack:
        machine = stack.enter_context(llm_machine.opened(where, lab=lab))
        ready = stack.enter_context(
            llm_experiment.prepared(machine, model=model, command=tuple(shlex.split(bench)), say=say)
        )
        runs = llm_experiment.perform(kind, ready, say=say)
    return llm_explain.explain(llm_explain.with_runs(observed, runs, ready.model, ready.read))

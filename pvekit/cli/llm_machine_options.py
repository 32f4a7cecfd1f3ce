"""Options that say on which machine llama.cpp runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pvekit.cli.hints import DEFAULT
from pvekit.cli.options import lab_option
from pvekit.cli.passthrough_options import host_key_option, key_option

if TYPE_CHECKING:
    from pvekit.workflows.llm_machine import Machine

Open = Callable[[], AbstractContextManager[tuple["Machine", tuple[str, ...]]]]
"""Opens the machine, and says how llama-bench is called there (empty: it is found)."""

_FILE = click.Path(dir_okay=False, path_type=Path)


def machine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add HOST or --local, and how it is reached; the function gets them as ``opened``."""

    @functools.wraps(function)
    def wrapped(
        *, name: str | None, local: bool, stack: Path | None, lab: bool, key: Path | None, host_key: str, bench: str,
        **others: Any,
    ) -> Any:  # fmt: skip
        if (name is None) != local:
            raise click.UsageError("Name a VM or a host, or say --local.")

        @contextmanager
        def opened() -> Iterator[tuple[Machine, tuple[str, ...]]]:
            import shlex

            from pvekit.workflows import llm_machine
            from pvekit.workflows.collect import HERE, Host

            with llm_machine.opened(Host(name or HERE, host_key, key, stack=stack), lab=lab) as machine:
                yield machine, tuple(shlex.split(bench))

        return function(opened=opened, **others)

    for option in (
        click.option("--llama-bench", "bench", default="", metavar="COMMAND", help="How llama-bench is called there."),
        host_key_option,
        key_option,
        lab_option,
        click.option("-s", "--stack", type=_FILE, envvar="PVEKIT_STACK", help=f"The stack file (if there: {DEFAULT})."),
        click.option("--local", is_flag=True, help="This machine."),
        click.argument("name", metavar="[HOST|VM]", required=False),
    ):
        wrapped = option(wrapped)
    return wrapped

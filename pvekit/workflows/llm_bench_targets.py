"""What is measured: a VM of the stack, this machine, or a server at an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pvekit.adapters.llm import server, unit
from pvekit.adapters.llm.llama_bench import Bench
from pvekit.adapters.llm.openai import Client
from pvekit.adapters.runner import Remote
from pvekit.adapters.secrets import Secret
from pvekit.model.errors import NotFound, PvekitError
from pvekit.workflows.llm_bench_suites import Suite
from pvekit.workflows.llm_machine import Machine, here

if TYPE_CHECKING:
    from pvekit.inference.demand import Demand
    from pvekit.model.stack.llama import LlamaModel

Pause = Callable[[], None]


@dataclass(frozen=True)
class Serving:
    """A server that answers. ``tail`` gives its last words, where they can be had."""

    client: Client
    tail: Callable[[], str] = lambda: ""


@dataclass(frozen=True)
class Target:
    """What is measured. Without ``machine`` and ``bench`` there is no llama-bench part.

    ``file`` is the model on the machine, ``model`` what clients call it (empty: the only one). ``quiet`` keeps a
    server from working beside llama-bench, and gives what renews that; ``serving`` opens the served API. ``demand``
    counts the model, or gives None where its tensors cannot be seen from here.
    """

    name: str
    model: str
    serving: Callable[[], AbstractContextManager[Serving]]
    machine: Machine | None = None
    bench: Bench | None = None
    file: str = ""
    quiet: Callable[[float], AbstractContextManager[Pause]] = lambda _seconds: nullcontext(lambda: None)
    demand: Callable[[], Demand | None] = lambda: None


def at_address(url: str, key: Secret | None, model: str = "") -> Target:
    """Return a server at an address, of which only the served API is measured. Raises PvekitError for no address."""
    client = Client(url, key)
    return Target(client.base, model, lambda: nullcontext(Serving(client)))


def this_machine(
    file: Path,
    suite: Suite,
    *,
    bench: Sequence[str] = (),
    program: Sequence[str] = (),
    port: int = 0,
    machine: Machine | None = None,
) -> Target:
    """Return this machine with a model's file; ``bench`` and ``program`` are how llama.cpp's tools are called.

    Raises NotFound when the file is not there.
    """
    if not file.is_file():
        raise NotFound("the model is not there", status=0, where=str(file), hint="Name a GGUF file: --model FILE")
    machine = machine or here()
    slots = max((ask.clients for ask in suite.asks), default=1)
    room = max((ask.clients * (ask.prompt + ask.generate + 128) for ask in suite.asks), default=1024)
    each = max((ask.prompt + ask.generate + 128 for ask in suite.asks), default=1024)

    @contextmanager
    def serving() -> Iterator[Serving]:
        environment = getattr(machine.runner, "environment", {})
        with server.started(
            program or ("llama-server",), str(file), slots=slots, context=max(room, slots * each), port=port,
            environment=environment,
        ) as running:  # fmt: skip
            yield Serving(running.client, running.tail)

    return Target(
        machine.name, file.name, serving, machine, Bench(tuple(bench) or ("llama-bench",)), str(file),
        demand=lambda: _counted(str(file)),
    )  # fmt: skip


def guest(
    machine: Machine, *, key: Secret | None = None, bench: Sequence[str] = (), model: LlamaModel | None = None
) -> Target:
    """Return a VM, or a machine behind SSH, with pvekit's unit. ``model`` is what its stack file says of the model.

    Raises NotFound without the unit.
    """
    found = unit.found(machine.runner)
    runner = machine.runner

    @contextmanager
    def serving() -> Iterator[Serving]:
        from pvekit.adapters.forward import forwarded

        if not isinstance(runner, Remote):
            raise PvekitError("the served API of this machine cannot be reached through it", where=runner.where,
                              hint="Measure it by its address: --url URL")  # fmt: skip
        found.start()
        with ExitStack() as stack:
            port = stack.enter_context(forwarded(runner.session, found.port))
            where = f"llama-server in {machine.name}"
            yield Serving(Client(f"http://127.0.0.1:{port}", key or found.key(), where=where), found.tail)

    program = Bench(tuple(bench) or found.bench)
    name = model.name if model is not None else ""
    return Target(machine.name, name, serving, machine, program, found.model, found.paused, lambda: _of_stack(model))


def said_by_stack(name: str, file: Path | None) -> LlamaModel | None:
    """Return what a stack file says of the model of a VM; None where no file says anything."""
    from pvekit.workflows.session import read_stack

    path = file or Path("stack.yaml")
    if not path.is_file():
        return None
    found = next((vm for vm in read_stack(path).vms if vm.name == name), None)
    return found.llama.model if found is not None and found.llama is not None else None


def _of_stack(model: LlamaModel | None) -> Demand | None:
    if model is None:
        return None
    if model.shape:
        return _counted(model.shape, model.quant)
    source = model.url or model.file
    return _counted(source) if source else None


def _counted(source: str, quant: str | None = None) -> Demand | None:
    """Return what the model asks of a machine, or None where nobody can count it."""
    try:
        from pvekit.workflows.llm_model import demand

        return demand(source, quant)
    except (ImportError, PvekitError):
        # A benchmark goes on without a prediction.
        return None

"""Measures a language model on a machine: llama-bench, then the served API; every record is on disk before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvekit.adapters.llm import energy, failures, llama_bench, load, records
from pvekit.adapters.llm.llama_bench import Failed
from pvekit.adapters.llm.load import Size, Speaker
from pvekit.adapters.llm.records import Store
from pvekit.model.benchmark import Record
from pvekit.model.errors import GuestNotReady, PvekitError
from pvekit.workflows import llm_bench_before as before
from pvekit.workflows.llm_bench_suites import Ask, Suite
from pvekit.workflows.llm_bench_targets import Serving, Target

Say = Callable[[str], None]
_MARGIN = 180.0
_FATAL = (*load.GONE, failures.KeyRefused, failures.NotOpenAi, failures.ModelMissing, failures.Untrusted)


@dataclass(frozen=True, slots=True)
class Result:
    """A run's records. ``stopped`` is why it ended before its end."""

    records: tuple[Record, ...]
    stopped: PvekitError | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Run:
    target: Target
    suite: Suite
    store: Store
    say: Say
    plug: str
    sources: list[energy.Source] = field(default_factory=list)
    idle: dict[str, float | None] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)


def run(
    target: Target, suite: Suite, path: Path, *, command: Sequence[str], resume: bool = False, plug: str = "", say: Say
) -> Result:
    """Measure what the suite holds and is not in ``path`` yet.

    One measurement that fails is a record of its own, and the next one follows. When the machine or the server is
    gone, ``stopped`` says so, and the run can go on later. Raises what ``records.opened`` raises, and PvekitError
    when nothing could be begun.
    """
    model = target.model or None
    header: dict[str, Any] = {"suite": suite.name, "target": target.name, "model": model, "command": list(command)}
    demand = target.demand()
    if demand is not None:
        header |= {"size": demand.file, "demand": {"read": demand.read, "parameters": demand.parameters,
                                                   "quant": demand.quant, "name": demand.name}}  # fmt: skip
    begun = time.monotonic()
    with records.opened(path, header, resume=resume) as store:
        if store.note:
            say(store.note)
        if any(record.kind == "end" and record.data.get("complete") for record in store.records):
            return Result(tuple(store.records), notes=("it was complete already: nothing was measured",))
        running = _Run(target, suite, store, say, plug)
        stopped = None
        try:
            _facts(running, demand)
            _llama_bench(running)
            _served(running)
        except _Stop as stop:
            stopped = stop.why
        failed = sorted({record.key for record in _left(store)})
        store.append("end", "end", {"complete": stopped is None and not failed, "failed": failed,
                                    "seconds": time.monotonic() - begun})  # fmt: skip
        notes = (store.note,) if store.note else ()
        return Result(tuple(store.records), stopped, notes)


class _Stop(Exception):
    """Nothing more can be measured now."""

    def __init__(self, why: PvekitError) -> None:
        super().__init__(str(why))
        self.why = why


def _left(store: Store) -> list[Record]:
    """Return the failures that no later success made good."""
    done = {record.key for record in store.records if record.kind in ("llama-bench", "http")}
    return [record for record in store.records if record.kind == "failure" and record.key not in done]


def _facts(running: _Run, demand: Any) -> None:
    """Write the facts of now, and the prediction once; both before anything is measured."""
    running.say("look at the machine")
    data, hardware = before.environment(running.target)
    number = sum(record.kind == "environment" for record in running.store.records)
    if not running.store.has("prediction", "prediction"):
        running.store.append("prediction", "prediction", before.prediction(running.suite, demand, hardware, data))
    running.store.append("environment", f"environment-{number}", data)
    running.known = data
    machine = running.target.machine
    if machine is not None:
        running.sources = energy.sources(machine.runner, machine.node, running.plug)


def _llama_bench(running: _Run) -> None:
    target, store = running.target, running.store
    if target.machine is None or target.bench is None:
        return
    cpus = running.known.get("guest.cpus")
    steps = running.suite.steps(cpus if isinstance(cpus, int) else None)
    left = [test for test in steps if not store.has("llama-bench", test.key)]
    if not left:
        return
    seconds = running.suite.seconds
    with target.quiet(seconds + _MARGIN) as renew:
        running.idle = energy.idle(running.sources)
        for test in left:
            running.say(f"llama-bench {test.key}")
            renew()
            with energy.measured(running.sources, running.idle) as used:
                done = llama_bench.run(target.machine.runner, target.bench, target.file,
                                       test.arguments(running.suite.rounds), timeout=seconds)  # fmt: skip
            if isinstance(done, Failed):
                store.append("failure", test.key, {"what": done.what, "stderr": done.stderr, "exit": done.exit})
                running.say(f"  {done.what}")
                if not _goes_on(running, done):
                    break
                continue
            store.append("llama-bench", test.key, {"raw": done.raw, "variant": done.variant})
            tokens = running.suite.rounds * (test.prompt + test.generate)
            _energy(running, test.key, used, tokens)


def _goes_on(running: _Run, failed: Failed) -> bool:
    """Return whether llama-bench can be called again; raise when the machine is gone."""
    machine = running.target.machine
    if failed.exit is not None or machine is None:
        if failed.exit == 127:
            running.say("  the rest of llama-bench is left out; say how it is called: --llama-bench COMMAND")
        return failed.exit != 127
    try:
        machine.runner.run(["true"])
    except PvekitError as error:
        raise _Stop(GuestNotReady(f"the machine is gone: {error.message}", where=machine.name,
                                  hint="Go on later with --resume.")) from error  # fmt: skip
    return True


def _energy(running: _Run, key: str, used: Sequence[energy.Used], tokens: int) -> None:
    for one in used:
        data: dict[str, Any] = {"source": one.source, "joules": one.joules, "seconds": one.seconds,
                                "idle_watts": one.idle_watts, "tokens": tokens}  # fmt: skip
        data["joules_per_token"] = one.joules / tokens if one.joules is not None and tokens else None
        # Loading and warm-up are inside as well.
        running.store.append("energy", key, data)


def _served(running: _Run) -> None:
    asks = [ask for ask in running.suite.asks if not running.store.has("http", ask.key)]
    if not asks:
        return
    running.say("look at the server")
    try:
        with running.target.serving() as serving:
            speaker = load.meet(serving.client, model=_asked_model(running.target), seed=running.suite.name)
            for ask in asks:
                _ask(running, serving, speaker, ask)
    except PvekitError as error:
        _fail(running, "serve", error, "")
        raise _Stop(error) from error


def _asked_model(target: Target) -> str:
    """Return the model to ask for: of a server at an address only what the person named."""
    return target.model if target.machine is None else ""


def _ask(running: _Run, serving: Serving, speaker: Speaker, ask: Ask) -> None:
    room = load.context_of(speaker.server)
    if room is not None and ask.prompt + ask.generate > room:
        # Asking would only show the server's refusal.
        what = f"{ask.prompt} and {ask.generate} tokens do not fit into the server's {room} per client"
        running.store.append("failure", ask.key, {"what": what, "stderr": "", "exit": None})
        running.say(f"  {ask.key}: {what}")
        return
    running.say(f"{ask.clients} client{'s' if ask.clients > 1 else ''}, {ask.prompt} tokens in, {ask.generate} out")
    size = Size(ask.prompt, ask.generate)
    try:
        with energy.measured(running.sources, running.idle) as used:
            data = load.measure(speaker, ask.clients, size, rounds=running.suite.rounds, key=ask.key,
                                enough=running.suite.enough)  # fmt: skip
    except _FATAL as error:
        what = f"{ask.clients} client{'s' if ask.clients > 1 else ''} with {ask.prompt} tokens"
        ended = error if not isinstance(error, failures.NothingListens) else failures.ServerEnded(
            f"the server ended during {what}", where=error.where, hint="Its log says why; then go on with --resume."
        )  # fmt: skip
        _fail(running, ask.key, ended, _tail(serving))
        raise _Stop(ended) from error
    except PvekitError as error:
        _fail(running, ask.key, error, "")
        running.say(f"  {error.message}")
        return
    running.store.append("http", ask.key, data)
    _energy(running, ask.key, used, int(data["generated"]))


def _fail(running: _Run, key: str, error: PvekitError, stderr: str) -> None:
    running.store.append("failure", key, {"what": error.message, "stderr": stderr, "exit": None})


def _tail(serving: Serving) -> str:
    time.sleep(0.5)  # what ends writes its last words a moment later
    try:
        return serving.tail()
    except (PvekitError, OSError):
        return ""

"""Records of a results file, made into a view. What does not have the form it should have counts as absent."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pvekit.inference.explanation import Explanation
from pvekit.inference.factnames import title
from pvekit.inference.hardware import Hardware
from pvekit.inference.report import facts
from pvekit.inference.report.bench import bench
from pvekit.inference.report.figures import mapping, number, numbers, positive, whole, words
from pvekit.inference.report.known import hardware as known_hardware
from pvekit.inference.report.printed import rows
from pvekit.inference.report.scrub import Scrub, names_in
from pvekit.inference.report.view import Bench, Energy, Expected, Failure, Load, Machine, Span
from pvekit.model.benchmark import Record

_TAIL = 6


def hosts(records: Iterable[Record]) -> Iterator[str]:
    """Yield the names of machines that a results file mentions."""
    for record in records:
        if record.kind == "header":
            yield from names_in(words(record.data.get("target")))
        elif record.kind == "environment":
            yield from facts.identities(record.data)


def machine(
    records: Sequence[Record],
    *,
    label: str,
    scrub: Scrub,
    explanation: Explanation | None = None,
    hardware: Hardware | None = None,
) -> Machine:
    """Return the view of one results file. ``label`` is shown as it is; all else goes through ``scrub``."""
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record)
    header = mapping(by_kind["header"][-1].data) if "header" in by_kind else {}
    end = mapping(by_kind["end"][-1].data) if "end" in by_kind else {}
    known = {name: value for record in by_kind.get("environment", ()) for name, value in facts.flat(record.data)}
    benches = tuple(_benches(by_kind.get("llama-bench", ()), scrub))
    # What failed at first and was measured later is no failure.
    done = {record.key for record in records if record.kind in ("llama-bench", "http")}
    predictions = by_kind.get("prediction", ())
    shape = mapping(header.get("demand")) or header
    return Machine(
        label=label,
        model=_model(header, benches, scrub),
        suite=scrub(words(header.get("suite"))),
        command=scrub(_command(header.get("command"))),
        started=scrub(records[0].at) if records else "",
        seconds=positive(end.get("seconds")),
        complete=end["complete"] if isinstance(end.get("complete"), bool) else (True if end else None),
        facts=tuple(_facts(known, scrub)),
        known=known,
        lacking=tuple((scrub(why), tuple(map(scrub, names))) for why, names in facts.lacking(known).items()),
        expected=_expected(mapping(predictions[-1].data), scrub) if predictions else None,
        benches=benches,
        loads=tuple(_loads(by_kind.get("http", ()))),
        energies=tuple(_energies(by_kind.get("energy", ()), benches, scrub)),
        failures=tuple(_failure(record, scrub) for record in by_kind.get("failure", ()) if record.key not in done),
        read_bytes=positive(shape.get("read")),
        active=positive(shape.get("parameters")),
        explanation=explanation,
        hardware=hardware or known_hardware(benches),
    )


def _benches(records: Iterable[Record], scrub: Scrub) -> Iterator[Bench]:
    for record in records:
        for row in rows(record.data.get("raw")):
            found = bench(record.key, mapping(row), words(record.data.get("variant")), scrub)
            if found is not None:
                yield found


def _model(header: Mapping[str, Any], benches: Sequence[Bench], scrub: Scrub) -> str:
    """Return the name of the model: what llama.cpp calls it, with the file where that says more."""
    given = scrub.plain(words(header.get("model"))).replace("\\", "/").rstrip("/").rpartition("/")[2]
    if benches:
        # llama.cpp writes "llama ?B" for a size that it has no name for.
        named = "" if given and "?" in benches[0].model else benches[0].model
        return named or given or benches[0].file
    return given


def _command(value: Any) -> str:
    if isinstance(value, list | tuple):
        return shlex.join(words(each) for each in value)
    return words(value)


def _facts(known: Mapping[str, Any], scrub: Scrub) -> Iterator[tuple[str, str]]:
    for name, value in known.items():
        if facts.shown(name) and (found := facts.text(name, value)):
            yield scrub(title(name)), scrub(found)


def _expected(data: Mapping[str, Any], scrub: Scrub) -> Expected:
    notes = data.get("notes")
    return Expected(
        hardware=scrub.plain(words(data.get("hardware"))),
        basis=scrub(words(data.get("basis"))),
        decode=tuple(_spans(data.get("decode"), scrub)),
        prefill=tuple(_spans(data.get("prefill"), scrub)),
        notes=tuple(scrub(words(note)) for note in notes) if isinstance(notes, list | tuple) else (),
    )


def _spans(value: Any, scrub: Scrub) -> Iterator[Span]:
    found = []
    for speed in value if isinstance(value, list | tuple) else ():
        row = mapping(speed)
        rate = mapping(row.get("rate"))
        low, middle, high = (positive(rate.get(name)) for name in ("low", "value", "high"))
        depth = whole(row.get("depth"))
        if low is not None and middle is not None and high is not None and depth is not None and low <= middle <= high:
            found.append(Span(depth, low, middle, high, scrub(words(row.get("bound")))))
    yield from sorted(found, key=lambda span: span.depth)


def _loads(records: Iterable[Record]) -> Iterator[Load]:
    for record in records:
        data = record.data
        asked = data.get("requests")
        requests = [mapping(each) for each in asked] if isinstance(asked, list | tuple) else []
        first = [value for each in requests for value in numbers(each.get("ttft_s"))]
        gaps = [value for each in requests for value in numbers(each.get("gaps_s"))]
        errors = data.get("errors")
        yield Load(
            key=record.key,
            clients=whole(data.get("clients")) or 1,
            prompt=_about(data.get("asked_prompt_tokens")) or _about(data.get("prompt_tokens")),
            generated=whole(data.get("generated")),
            first=tuple(value for value in numbers(data.get("ttft_s")) or first if value >= 0),
            gaps=tuple(value for value in numbers(data.get("gaps_s")) or gaps if value >= 0),
            rate=positive(data.get("tokens_per_s")),
            samples=tuple(value for value in numbers(data.get("samples")) if value > 0),
            wall=positive(data.get("wall_s")),
            errors=len(errors) if isinstance(errors, list | tuple) else whole(errors),
        )


def _about(value: Any) -> int | None:
    """Return a number of tokens; a median may lie between two."""
    found = positive(value)
    return None if found is None else round(found)


def _energies(records: Iterable[Record], benches: Sequence[Bench], scrub: Scrub) -> Iterator[Energy]:
    rates = {bench.key: bench.rate for bench in benches}
    for record in records:
        data = record.data
        joules, seconds = positive(data.get("joules")), positive(data.get("seconds"))
        per_token, tokens = positive(data.get("joules_per_token")), positive(data.get("tokens"))
        if per_token is None and joules is not None:
            rate = rates.get(record.key)
            if tokens is not None:
                per_token = joules / tokens
            elif seconds is not None and rate is not None:
                per_token = joules / seconds / rate
        yield Energy(
            key=scrub(record.key),
            source=scrub(words(data.get("source"))),
            joules=joules,
            seconds=seconds,
            idle=number(data.get("idle_watts")),
            per_token=per_token,
        )


def _failure(record: Record, scrub: Scrub) -> Failure:
    lines = words(record.data.get("stderr")).strip().splitlines()[-_TAIL:]
    return Failure(scrub(record.key), scrub(words(record.data.get("what"))), scrub("\n".join(lines)))

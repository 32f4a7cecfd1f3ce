"""All that a page says, ready for a template: headline, tiles, plots, tables, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pvekit.inference.report import public, reproduce, tables
from pvekit.inference.report.figures import quantile, seconds, short
from pvekit.inference.report.plots import clients, depth, energy, latency, percentile, roofline, threads
from pvekit.inference.report.tables import Table
from pvekit.inference.report.view import Figure, Machine

ABOUT = {
    "Roofline": "Each point is a speed. Left of the bend the memory limits it, right of it the arithmetic; the nearer "
    "to the line above, the less is left to gain on this machine. The operations are those of the weights; kernels "
    "with whole numbers may pass the line of 32-bit floats.",
    "Speed against depth": "The more tokens are there already, the more each further one reads and computes. Bars "
    "span the slowest and the fastest repetition. The band was predicted before anything was measured: 80 of 100 "
    "machines of the kind should lie in it.",
    "Threads": "Decode grows with threads until the memory is busy, prefill until the cores are. The dashed line is "
    "what as many times the fewest threads would give.",
    "Latency over HTTP": "The share of answers that had begun, and of tokens that had followed the one before, within "
    "a time. Steep is steady; a long tail to the right is felt as stutter.",
    "Throughput by clients": "All answers together gain from more clients as long as the weights are read once for "
    "several of them; each client has less.",
    "Energy": "Joules per token, of all that the source sees. Loading the model and the warm-up are inside.",
    "Beside public results": "The box holds the middle 80 of 100 kinds of hardware, the line in it the median, the "
    "thin line all of them. Public results come from other versions, prompts and depths: take the rank as a hint.",
}
"""How to read the plots of each part."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with plots. ``about`` says how to read them."""

    title: str
    about: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the headline."""

    name: str
    value: str
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page. ``missing`` says which parts are not there and why; ``details`` are tables by results file."""

    title: str
    machines: tuple[Machine, ...]
    tiles: tuple[Tile, ...]
    overview: Table | None
    sections: tuple[Section, ...]
    details: tuple[tuple[str, Table], ...]
    environment: Table
    commands: tuple[tuple[str, tuple[str, ...]], ...]
    missing: tuple[str, ...]
    compared: public.Source | None


def page(machines: Sequence[Machine]) -> Page:
    """Return the page of one or several results files."""
    compared, apart = percentile.figures(machines)
    sections = [
        _section("Roofline", roofline.figure(machines)),
        _section("Speed against depth", depth.figure(machines, "decode"), depth.figure(machines, "prefill")),
        _section("Threads", threads.figure(machines, "decode"), threads.figure(machines, "prefill")),
        _section("Latency over HTTP", latency.first_token(machines), latency.gaps(machines)),
        _section("Throughput by clients", clients.figure(machines)),
        _section("Energy", energy.figure(machines)),
        _section("Beside public results", *compared),
    ]
    many = len(machines) > 1
    details = [
        (f"{name}: {machine.label}" if many else name, table)
        for machine in machines
        for name, table in (("llama-bench", tables.benches(machine)), ("HTTP", tables.loads(machine)),
                            ("Energy", tables.energies(machine)))
        if table.rows
    ]  # fmt: skip
    return Page(
        title=_title(machines),
        machines=tuple(machines),
        tiles=() if many else tuple(_tiles(machines[0])),
        overview=tables.machines(machines) if many else None,
        sections=tuple(section for section in sections if section.figures),
        details=tuple(details),
        environment=tables.environment(machines),
        commands=tuple((machine.label, found) for machine in machines if (found := reproduce.commands(machine))),
        missing=(*_missing(machines, {part.title for part in sections if not part.figures}), *apart),
        compared=public.source() if compared else None,
    )


def _section(title: str, *figures: Figure | None) -> Section:
    return Section(title, ABOUT[title], tuple(figure for figure in figures if figure is not None))


def _title(machines: Sequence[Machine]) -> str:
    models = list(dict.fromkeys(machine.model for machine in machines if machine.model))
    model = models[0] if len(models) == 1 else f"{len(models)} models" if models else "Language model"
    if len(machines) > 1:
        return f"{model} on {len(machines)} machines"
    decode = machines[0].best("decode") or machines[0].best("prefill")
    device = tables.device(decode)
    return f"{model} on {device}" if device != tables.NOTHING else f"{model}: results"


def _tiles(machine: Machine) -> Iterator[Tile]:
    decode, prefill = machine.best("decode"), machine.best("prefill")
    if decode is not None:
        expected = tables.predicted(machine)
        notes = [] if decode.threads is None else [f"{decode.threads} thread{'s' if decode.threads != 1 else ''}"]
        notes += [] if expected == tables.NOTHING else [f"predicted {expected}"]
        yield Tile("decode", short(decode.rate), "tokens/s", ", ".join(notes))
    if prefill is not None:
        yield Tile("prefill", short(prefill.rate), "tokens/s", f"prompt of {prefill.prompt:,} tokens")
    half = quantile((value for load in machine.loads if load.clients == 1 for value in load.first), 0.5)
    if half is not None:
        number, _, unit = seconds(half).partition(" ")
        yield Tile("first token", number, unit, "half of the answers, 1 client")
    rates = clients.throughput(machine)
    if rates:
        best = max(rates, key=lambda count: rates[count])
        yield Tile("served", short(rates[best]), "tokens/s", f"with {best} client{'s' if best != 1 else ''}")
    joules = tables.joules(machine)
    if joules is not None:
        yield Tile("energy", short(joules), "J/token", "decode" if decode is not None else "")


def _missing(machines: Sequence[Machine], absent: set[str]) -> Iterator[str]:
    """Yield which parts are not there, and what would bring them."""
    reasons = {
        "Roofline": "no run of llama-bench that can be placed: of a model of experts, the bytes read per token are "
        "not in the results",
        "Speed against depth": "llama-bench measured with one depth at most; the full suite has several",
        "Threads": "the suite measured with one number of threads; the full suite sweeps them",
        "Latency over HTTP": "no server was asked",
        "Throughput by clients": "no server was asked",
        "Energy": "no source of power was there (RAPL of the host, nvidia-smi, a plug)",
    }
    if any(machine.energies for machine in machines):
        reasons["Energy"] = "energy was measured, but not of a run whose tokens are known"
    for title, reason in reasons.items():
        if title in absent:
            yield f"{title}: {reason}."
    many = len(machines) > 1
    for machine in machines:
        who = f"{machine.label}: " if many else ""
        yield from (f"{who}{sentence}" for sentence in _lacking(machine))
        if "Energy" in absent:
            yield from energy.idle(machine, who)


def _lacking(machine: Machine) -> Iterator[str]:
    """Yield what one results file does not have."""
    for why, names in machine.lacking:
        yield f"Not read, because {why}: {', '.join(names)}."
    if machine.expected is None:
        yield "No prediction was stored before the measurement."
    elif not (machine.expected.decode or machine.expected.prefill):
        for note in machine.expected.notes or ("the prediction is empty",):
            yield f"{note.removesuffix('.')}."
    if machine.complete is None:
        yield "The results have no end: the run was stopped, or still goes on."

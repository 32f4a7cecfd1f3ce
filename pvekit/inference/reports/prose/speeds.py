"""Tokens per second in sentences, with the model and the knobs that stand beside them."""

from __future__ import annotations

import re
from dataclasses import replace

from pvekit.inference.observed import Run
from pvekit.inference.reports import names, parts
from pvekit.inference.reports.found import SAID, Found, ModelSeen
from pvekit.inference.reports.prose import knobs
from pvekit.inference.reports.prose.clauses import Clause, is_now, is_own
from pvekit.inference.reports.prose.rates import Speed, phase_of
from pvekit.inference.reports.prose.rates import speeds as speeds_of

_WITH = re.compile(r"\b(?:with|using|on|add(?:ed|ing)|via|plus)\b|[=:]", re.IGNORECASE)


def read(clauses: tuple[Clause, ...], last: ModelSeen | None, found: Found) -> ModelSeen | None:
    """Keep all speeds of a sentence; return the model that was meant last."""
    sentence_models = [model for clause in clauses for _, _, model in names.models(clause.text) if _useful(model)]
    whole = knobs.of(clauses[0].sentence) if clauses else knobs.Knobs()
    spoken = _in_order(clauses, sentence_models, found)
    count, turn, pending = len(_all(clauses)), 0, knobs.Knobs()
    # What the sentence begins with holds for all of it.
    first = next((clause for clause in clauses if any(True for _ in speeds_of(clause.text))), None)
    device = knobs.Knobs()
    if first is not None:
        start = min(speed.start for speed in speeds_of(first.text))
        begin = knobs.of(first.sentence[: first.sentence.find(first.text) + start])
        device = knobs.Knobs(device=begin.device, gpu_layers=0 if begin.device == "cpu" else None)
    for clause in clauses:
        named = list(names.models(clause.text))
        for _, _, model in named:
            if _useful(model) and clause.own:
                last = replace(model, seen=clause.line.seen(), strength=SAID)
                found.model(last)
        last = _quantised(clause, named, last, found)
        speeds = sorted(speeds_of(clause.text), key=lambda one: one.start)
        own = knobs.of(clause.text)
        if not speeds and clause.own:
            if not count:
                _ambient(own, clause, found)
            pending = _carded(own, clause.text).over(pending)
        for index, speed in enumerate(speeds):
            before = clause.text[speeds[index - 1].end if index else 0 : speed.start]
            after = clause.text[speed.end : speeds[index + 1].start if index + 1 < len(speeds) else None]
            meant: ModelSeen | None = _model(named, speed, speeds, index) or (
                last if len(sentence_models) != 1 else replace(sentence_models[0], seen=clause.line.seen())
            )
            if spoken:
                meant, turn = replace(spoken[turn % len(spoken)], seen=clause.line.seen()), turn + 1
            meant = _typed(meant, around(clause, before), after if not before.strip() else "")
            near = own if len(speeds) == 1 else knobs.either(knobs.of(before), knobs.of(after))
            near = _placed(_carded(near, before if before.strip() else after), around(clause, before))
            near = near.over(whole if count == 1 else pending.over(device))
            _keep(speed, before, after, clause, near, meant, found)
            pending = knobs.Knobs()
    return last


_PLACE = re.compile(
    r".*\b(?:on|with|using|via|to run on) (?:the |my |an? |only |just |pure )?(?:\w+ )?(cpu|gpu)(?: only| alone)?\b"
    r"[^.]{0,24}$",
    re.IGNORECASE,
)


def around(clause: Clause, before: str) -> str:
    """Return what stands before a speed: in its clause, and before that in its sentence."""
    if before.strip(" ("):
        return before
    return clause.sentence[: max(0, clause.sentence.find(clause.text))]


def _placed(near: knobs.Knobs, before: str) -> knobs.Knobs:
    """Return the knobs with the device that is named right before a speed."""
    match = _PLACE.search(before[-60:])
    if near.device is not None or near.gpu_layers is not None or match is None:
        return near
    return replace(near, device=match.group(1).lower())


def _typed(meant: ModelSeen | None, before: str, after: str) -> ModelSeen | None:
    """Return the model in the quantisation that is named right beside a speed, where it is another one."""
    exact = names.quant(before[-40:]) or names.quant(after[:20])
    if meant is None or not exact or exact == meant.quant:
        return meant
    return replace(meant, quant=exact, guessed=False, bytes=None)


def _carded(near: knobs.Knobs, text: str) -> knobs.Knobs:
    """Return the knobs with the card as the device where a card is named with the speed and nothing else is said."""
    if near.device is None and _WITH.search(text) and any(True for _ in parts.gpus(text)):
        return replace(near, device="gpu")
    return near


def _in_order(clauses: tuple[Clause, ...], named: list[ModelSeen], found: Found) -> list[ModelSeen]:
    """Return the models of the report in order, for a sentence with as many speeds as there are and no name."""
    known: list[ModelSeen] = []
    count = len(_all(clauses))
    if count < 2 or named:
        return known
    for model in found.models:
        if model.strength == SAID and model.size is not None and all(model.key != other.key for other in known):
            known.append(model)
    return known if len(known) == count else []


def _all(clauses: tuple[Clause, ...]) -> list[Speed]:
    return [speed for clause in clauses for speed in speeds_of(clause.text)]


def _useful(model: ModelSeen) -> bool:
    return model.size is not None or bool(model.quant and model.family)


def _quantised(
    clause: Clause, named: list[tuple[int, int, ModelSeen]], last: ModelSeen | None, found: Found
) -> ModelSeen | None:
    """Return the last model with a quantisation that stands apart from its name in the same or the next clause."""
    exact = names.quant(clause.text)
    about = "" if exact else names.loose_quant(clause.text)
    if last is None or not clause.own or not (exact or about) or (last.quant and not (last.guessed and exact)):
        return last
    if len([one for one in named if _useful(one[2])]) > 1:
        return last
    better = replace(last, quant=exact or about, guessed=not exact)
    found.model(better)
    return better


def _model(named: list[tuple[int, int, ModelSeen]], speed: Speed, speeds: list[Speed], index: int) -> ModelSeen | None:
    """Return the model that stands before the speed and behind the one before it, or else right behind it."""
    low = speeds[index - 1].end if index else 0
    high = speeds[index + 1].start if index + 1 < len(speeds) else 1 << 30
    before = [model for start, _, model in named if low <= start < speed.start and _useful(model)]
    if before:
        return before[-1]
    behind = [model for start, _, model in named if speed.end <= start < high and _useful(model)]
    if behind and (
        index + 1 == len(speeds) or not [1 for start, _, m in named if start < speeds[0].start and _useful(m)]
    ):
        return behind[0]
    earlier = [model for start, _, model in named if start < speed.start and _useful(model)]
    return earlier[-1] if earlier else None


def _keep(
    speed: Speed, before: str, after: str, clause: Clause, near: knobs.Knobs, model: ModelSeen | None, found: Found
) -> None:
    phase = phase_of(before, after)
    own = clause.own and is_own(near_text := before[-80:] + " " + after[:60], clause.sentence) and is_now(near_text)
    if speed.better is not None and phase == "decode":
        found.say("expected", float(speed.better), clause.line, SAID)
    if not own:
        if phase == "decode":
            found.say("expected", float(speed.rate), clause.line, SAID)
        return
    if speed.bound:
        found.say(f"bound.{phase}", float(speed.rate), clause.line, SAID)
        return
    # What stands before the speed in its sentence, up to another speed.
    head = clause.sentence[: max(0, clause.sentence.find(clause.text))]
    head = clause.text if any(True for _ in speeds_of(head)) else f"{head} {clause.text}"
    beside = [name for _, _, name, _ in parts.cpus(head)] + [name for _, _, name, *_ in parts.gpus(head)]
    if beside and 0 < speed.rate < 1e7:
        found.about[len(found.runs)] = tuple(beside)
    found.run(
        Run(
            phase, speed.rate, samples=speed.samples, threads=near.threads, gpu_layers=near.gpu_layers,
            device=near.device, depth=near.depth or 0, seen=clause.line.seen(),
        ),
        model,
    )  # fmt: skip


def _ambient(own: knobs.Knobs, clause: Clause, found: Found) -> None:
    """Keep knobs of a sentence without a speed: they hold for the report."""
    found.say("knob.threads", own.threads, clause.line, SAID)
    found.say("knob.gpu_layers", own.gpu_layers, clause.line, SAID)
    found.say("knob.device", own.device, clause.line, SAID)

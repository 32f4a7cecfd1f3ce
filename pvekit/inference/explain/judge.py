"""Weighs all hypotheses against each other and says what is known, what is likely, and what would decide.

Score of a hypothesis: its prior, the evidence it names, and how well the speed that it predicts fits the measured
one. A hypothesis is confirmed only when its state was read and its size fits; signs alone leave the question open.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from functools import lru_cache
from math import exp, log
from types import ModuleType

from pvekit.inference.explain import experiments, hypotheses, notes
from pvekit.inference.explain.case import Case, Speed
from pvekit.inference.explain.verdict import Scored, costs_little, judged, overall, summary
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.explanation import Explanation, Overall, Stance
from pvekit.inference.observed import Observed

_READ = 3.0
"""What it weighs that a state was read: 1 in 20 machines has it without noticing."""
_GONE = -20.0
_FREE = 4.0
"""A cause that says nothing about decode has to share the speeds with all others: e^4 is the widest seen."""
_SLOW = 0.65
"""Part of its healthy speed, below which the processor alone is what has to be explained."""
_OTHER_SIDE = 2.5
"""What it costs a cause to be about the processor when a card's speed is asked for, and the other way round."""
_ELSE = "something_else"


def pages() -> dict[str, str]:
    """Return the page of every hypothesis, by id."""
    return {name: (module.__doc__ or "").strip() for name, module in modules().items()}


@lru_cache(maxsize=1)
def modules() -> dict[str, ModuleType]:
    """Return the hypotheses by id."""
    found = sorted(module.name for module in pkgutil.iter_modules(hypotheses.__path__))
    return {name: importlib.import_module(f"{hypotheses.__name__}.{name}") for name in found}


def explain(observed: Observed) -> Explanation:
    """Return why it is as fast as it is. Pure: the same observation has the same answer."""
    case = Case(observed)
    main = _main(case)
    scored = [one for name, module in modules().items() if (one := _score(case, name, module, main)) is not None]
    scored.append(_other(main))
    # A healthy speed is compared with nothing else when nobody knows it.
    if main is None and not case.saturated:
        scored = [one for one in scored if one.id != "at_limit"]
    most = max((one.score for one in scored), default=0.0)
    weights = {one.id: exp(one.score - most) for one in scored}
    whole = sum(weights.values()) or 1.0
    healthy = next((one for one in scored if one.id == "at_limit"), None)
    ranked = sorted(
        (judged(one, weights[one.id] / whole, healthy) for one in scored),
        key=lambda one: (one.stance is Stance.REFUTED, -one.probability, one.id),
    )
    read = [one for one in scored if one.weighed.state]
    faults = frozenset(one.id for one in read if not costs_little(one))
    mild = frozenset(one.id for one in read if costs_little(one))
    answer = overall(ranked, main, faults, mild)
    experiment = None
    if answer in (Overall.UNDECIDED, Overall.UNKNOWN):
        experiment = experiments.between(case, [one.id for one in ranked if one.stance is not Stance.REFUTED])
    return Explanation(
        answer,
        summary(answer, ranked, main, case.unknown),
        tuple(ranked),
        experiment,
        (*notes.notes(case), *observed.notes),
    )


def _main(case: Case) -> Speed | None:
    """Return the speed that is to be explained: that of the CPU where it alone was measured and is itself slow."""
    slow = case.cpu is not None and case.cpu.part < _SLOW
    if case.gpu is None:
        # Who leaves the card out on purpose asks about the processor.
        return case.cpu if case.cpu is not None and case.without_card else case.fallen or case.cpu
    return case.cpu if slow else case.gpu


def _score(case: Case, name: str, module: ModuleType, main: Speed | None) -> Scored | None:
    weighed: Weighed | None = module.judge(case)
    if weighed is None:
        return None
    lacking = tuple(fact for fact in weighed.lacking if not case.knows(fact))
    if not lacking and not weighed.evidence:
        # Facts that are all known say nothing yet where the model is not: then that is what is lacking.
        lacking = weighed.lacking if case.demand is not None else ("model",)
    weighed = replace(weighed, lacking=lacking)
    score = log(module.PRIOR) + sum(one.weight for one in weighed.evidence)
    if weighed.state is False:
        return Scored(name, module, weighed, _GONE + score, None)
    if weighed.state:
        score += _READ
    side = weighed.side or module.SIDE
    speed = _about(case, side, main)
    fit = None
    if weighed.proven:
        fit = 0.0
    elif speed is not None and weighed.part is not None:
        low, high = weighed.part
        if weighed.state and side is Side.CPU and not weighed.limits:
            low *= case.limited  # two causes at once
        fit = _fit(speed, (low, high))
        score += fit
    elif main is not None:
        score -= _FREE if weighed.part is None else 1.0
    # What is about the other side of the machine explains less of what is asked.
    other = main is not None and speed is not main and side is not Side.ANY
    if other or (side is Side.CPU and speed is case.gpu and case.whole_on_card):
        # A processor that was measured and is well explains nothing of a card.
        well = side is Side.CPU and main is case.gpu and case.cpu is not None and case.cpu.part >= _SLOW
        score -= 2 * _OTHER_SIDE if well else _OTHER_SIDE
    return Scored(name, module, weighed, score, fit)


def _about(case: Case, side: Side, main: Speed | None) -> Speed | None:
    if side is Side.CPU:
        return case.cpu if case.cpu is not None and case.fallen is None else (case.cpu or main)
    if side is Side.GPU:
        return case.gpu or case.fallen
    return main


def _fit(speed: Speed, part: tuple[float, float]) -> float:
    """Return the log likelihood of the measured part, if this is the part of the healthy speed that is left."""
    low, high = (max(1e-4, end) for end in part)
    middle = (log(low) + log(high)) / 2
    spread = (speed.spread**2 + (log(high / low) / 2.563) ** 2 + 0.05**2) ** 0.5
    # A machine that is faster than said is healthy all the more.
    away = (log(min(1.0 if high > 1 else 9.0, max(1e-6, speed.part))) - middle) / spread
    return float(-0.5 * away * away - log(spread))


def _other(main: Speed | None) -> Scored:
    """Return what nobody thought of: anything that makes it slower, equally likely over three powers of e."""
    fit = None if main is None else _fit(main, (0.05, 1.0)) - 0.3
    weighed = Weighed(None, None, (because("none of the known causes has to be it", 0.0),))
    return Scored(_ELSE, None, weighed, log(0.12) + (fit or 0.0), fit)

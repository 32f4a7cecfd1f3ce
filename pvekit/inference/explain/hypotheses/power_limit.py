"""The card is held back: power limit, heat, or its memory clock.

A card at its power or temperature limit lowers its clocks; some setups leave it in an idle state. Decode follows the
memory clock.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the card is throttled or in a low power state"
SIDE = Side.GPU
PRIOR = 0.04
REMEDY = "Look at clocks, power and temperature under load: nvidia-smi -q -d CLOCK,POWER,TEMPERATURE,PERFORMANCE"


def judge(case: Case) -> Weighed | None:
    """Weigh it: only a card that is used can be throttled; nothing reads it directly here."""
    held = case.sign("card_held_back")
    if case.gpu is None and held is None:
        return None
    evidence = [because("the card is said to stay in a low state, or to be at its limit", 3.0, held)] if held else []
    return Weighed((0.25, 0.8), None, tuple(evidence), ("card's clocks under load",), factor=1.8)

"""A newer version of the program is slower than an earlier one on the same machine.

Programs change how they split a model over cards, which kernels they choose, and what they bring along of CUDA or
ROCm; a release can lose half of the speed. Nothing of the machine shows that. Only who ran both versions knows: this
is weighed where somebody says so, and never taken for certain, because an update often only shows another cause.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "this version of the program is slower than an earlier one"
SIDE = Side.ANY
PRIOR = 0.03
REMEDY = (
    "Run the earlier version again with the same model, context and prompt. If it is faster today, stay with it, and "
    "compare the first lines of both logs: layers on the card, backend, context."
)


def judge(case: Case) -> Weighed | None:
    """Weigh it: only what the person says of two versions; the speed is compared with itself."""
    seen = case.sign("slower_since_version")
    if seen is None:
        return None
    evidence = [because("an earlier version is said to be faster", 4.5, seen)]
    if same := case.sign("only_version_changed"):
        evidence.append(because("nothing else is said to have changed", 2.0, same))
    if measured := case.sign("versions_measured"):
        evidence.append(because("speeds stand beside both versions, and the later one is slower", 2.0, measured))
    elif case.contrast is not None:
        slow, fast = case.contrast
        evidence.append(because(f"{fast:g} tokens/s became {slow:g}", 1.0))
    # Where the log itself says what the update did, that is the cause.
    if case.guest.gpu_backend is False or case.guest.gpu_layers == 0:
        evidence.append(because("the log says that the card is not used", -3.0, case.where("guest.gpu_backend")))
    if case.guest.gpu_short:
        words = "the log says that not everything found room on the card"
        evidence.append(because(words, -2.5, case.where("guest.gpu_short")))
    layers = case.guest.gpu_layers
    if layers and case.demand is not None and layers < len(case.demand.layers):
        words = f"the log says that only {layers} layers lie on the card"
        evidence.append(because(words, -2.5, case.where("guest.gpu_layers")))
    if held := case.sign("card_held_back"):
        evidence.append(because("the card is said to stay in a low state", -2.5, held))
    return Weighed((0.02, 0.9), None, tuple(evidence), ("speed of an earlier version",), factor=None, proven=True)

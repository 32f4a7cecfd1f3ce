"""The card is there and is not used.

A build without CUDA, a container without the card, a driver that does not answer: llama.cpp and ollama then use the
CPU, with one line in the log.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.hypotheses import pascal_driver
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.explanation import Evidence
from pvekit.inference.hardware import GpuClass
from pvekit.inference.observed import Seen

TITLE = "the card is not used at all"
SIDE = Side.GPU
PRIOR = 0.12
REMEDY = (
    "Install a build for the card (CUDA, ROCm or Vulkan), see that the driver answers (nvidia-smi), and give "
    "layers to it: -ngl 99."
)


def judge(case: Case) -> Weighed | None:
    """Weigh it: whether a backend found the card, and what lies on it."""
    cards = bool(case.seen.hardware and case.seen.hardware.gpus)
    failed = case.said("cudart init failure", "unable to load cudart") if case.guest.gpu_backend is None else None
    if (
        not cards
        and not failed
        and not (case.sign("card") or (case.guest.gpu_backend is False and case.where("guest.gpu_backend")))
    ):
        return None
    part = _part(case)
    container = _on_a_mac(case)
    if container:
        part = part[0] * 0.1, part[1]  # an image for x86 is emulated there
    # Where the driver is known to be the reason, the driver is the cause.
    pascal = pascal_driver.judge(case)
    deeper = [because("the driver explains why", -2.5)] if pascal is not None and pascal.state else []
    deeper += _no_room(case)
    seen = case.where("guest.gpu_backend") or case.said(
        "no usable gpu", "no cuda-capable", "compiled without", "not compiled", "no kernel image"
    )
    if case.guest.gpu_backend is False:
        if case.too_large and not case.seen.errors:
            deeper.append(because("a model larger than the card leaves it idle most of the time", -2.0))
        return Weighed(part, True, (because("no backend found the card", 2.0, seen), *deeper), factor=None)
    if case.guest.gpu_layers == 0:
        seen = case.where("guest.gpu_layers")
        return Weighed(part, True, (because("no layer lies on the card", 1.5, seen), *deeper), factor=None)
    used = (
        (case.guest.gpu_layers or 0) > 0
        or (case.guest.gpu_bytes or 0) > 0
        or any((run.gpu_layers or 0) > 0 and run.gpu_layers != 99 for run in case.seen.runs)
    )
    if used or any(run.device == "gpu" for run in case.decodes):
        return Weighed(None, False, (because("layers lie on the card", -9.0, case.where("guest.gpu_layers")),))
    evidence = [because("the driver's library did not answer", 2.0, failed)] if failed else []
    if container:
        evidence.append(because("a container on a Mac has no way to its GPU", 3.0, container))
    if case.guest.gpu_busy_percent is not None:
        busy = case.guest.gpu_busy_percent
        if busy < 5 and case.too_large:
            busy = 5.0  # it waits for the processor most of the time then
        evidence.append(
            because(
                f"the card is {case.guest.gpu_busy_percent:.0f} % busy",
                2.0 if busy < 5 else -2.0,
                case.where("guest.gpu_busy_percent"),
            )
        )
    return Weighed(part, None, tuple(evidence), ("guest.gpu_backend", "guest.gpu_layers"), factor=None)


def _part(case: Case) -> tuple[float, float]:
    """Return what is left of the card's speed when the processor does the work."""
    processor, card = case.healthy(), case.healthy(gpu=True)
    if processor is None or card is None or card.value <= 0:
        return 0.02, 0.6
    return processor.low * 0.5 / card.value, processor.high * 1.1 / card.value


def _no_room(case: Case) -> list[Evidence]:
    """Return that the program left the card out because nothing had room there, where it counted so."""
    if not case.guest.gpu_short or case.guest.gpu_layers != 0:
        return []
    words = "by the program's own count there was no room on the card"
    return [because(words, -3.5, case.where("guest.gpu_short"))]


def _on_a_mac(case: Case) -> Seen | None:
    """Return where it is said that it ran in a container on a Mac, which has no way to its GPU."""
    cards = case.seen.hardware.gpus if case.seen.hardware else ()
    apple = bool(cards) and all(card.kind is GpuClass.APPLE for card in cards)
    return case.sign("in_container") if apple else None

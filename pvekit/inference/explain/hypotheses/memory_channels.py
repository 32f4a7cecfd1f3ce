"""Fewer memory channels have a module than the board has.

A board with four channels and modules in one of them reads at a quarter of its speed, and decode with it. Prefill,
which computes, is nearly untouched. `dmidecode -t 17` on the host lists the slots; the board's manual says which
belong to which channel.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "too few memory channels have a module"
SIDE = Side.CPU
PRIOR = 0.25
REMEDY = "Put modules of one kind into every channel: the board's manual says which slots come first."


def judge(case: Case) -> Weighed | None:  # noqa: C901 - one sign after the other
    """Weigh it: the modules where they were counted, else the ratio of prefill to decode and the sweep."""
    all_channels = case.hardware.memory.channels if case.hardware else case.host.channels
    if all_channels is None or all_channels < 2:
        return None
    counted = case.host.populated_channels
    if counted is not None:
        seen = case.where("host.populated_channels")
        words = f"{counted} of {all_channels} channels have a module"
        return Weighed(
            (counted / all_channels * 0.8, min(1.0, counted / all_channels * 1.3)), counted < all_channels,
            (because(words, 0.0, seen),), factor=all_channels / counted if counted else None,
        )  # fmt: skip
    evidence = []
    if case.ratio is not None:
        if case.ratio >= 5:
            evidence.append(because(f"prefill is {case.ratio:.1f} times decode: computing is not what is slow", 1.2))
        elif case.ratio < 2.2:
            evidence.append(because(f"prefill is only {case.ratio:.1f} times decode: computing is slow as well", -3.0))
    if case.slope is not None:
        if case.slope < 0.4:
            evidence.append(because("decode does not grow with more threads: memory limits it", 1.2))
        elif case.slope > 0.85:
            evidence.append(because("decode grows in proportion to the threads: memory is not the limit", -3.0))
    if case.slope is None and (seen := case.sign("more_threads_no_gain")):
        evidence.append(because("more threads made it no faster: memory limits it", 1.0, seen))
    if case.host.triad is not None and case.hardware is not None and (peak := case.hardware.memory.bandwidth()):
        share = case.host.triad / peak
        seen = case.where("host.triad")
        words = f"memory streams at {case.host.triad:.0f} of {peak:.0f} GB/s"
        evidence.append(because(words, 2.5 if share < 0.45 else -2.5, seen))
    one = 1 / all_channels
    return Weighed(
        (one * 0.9, max(0.62, one * 1.4)), None, tuple(evidence), ("host.populated_channels",),
        factor=all_channels / 2 if all_channels > 2 else 2.0,
    )  # fmt: skip

"""The clock is low: a saving governor, or heat.

With the governor `powersave` of acpi-cpufreq, or a cooler full of dust, cores run at a fraction of their clock.
Decode loses less than prefill, since memory keeps its own clock.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the processor's clock is low (governor or heat)"
SIDE = Side.CPU
PRIOR = 0.05
REMEDY = "Set the governor to performance; look at temperature and cooler; look at power limits of the firmware."


def judge(case: Case) -> Weighed | None:
    """Weigh it: clock, throttling, temperature and governor where they were read."""
    hot = case.host.throttled or (case.host.temperature is not None and case.host.temperature >= 95)
    if hot:
        seen = case.where("host.throttled") or case.where("host.temperature")
        return Weighed((0.4, 0.9), True, (because("the processor throttles", 1.0, seen),), factor=1.5)
    rated = (case.seen.hardware.cpu.ghz if case.seen.hardware else None) or case.host.clock_limit_ghz
    said = case.sign("clock_falls")
    falls = [because("the clock falls while it runs", 2.0, said)] if said else []
    if saver := case.sign("power_saving"):
        falls.append(because("the system is said to save power", 2.0, saver))
    if case.host.clock_ghz is not None and rated:
        part = case.host.clock_ghz / rated
        words = f"it runs at {case.host.clock_ghz:.1f} GHz where {rated:.1f} are usual"
        return Weighed((max(0.1, part * 0.8), min(1.0, part * 1.4)), part < 0.75,
                       (because(words, 0.7 if part < 0.75 else 0.0, case.where("host.clock_ghz")), *falls),
                       factor=1 / max(part, 0.01))  # fmt: skip
    if case.host.governor is not None:
        saving = case.host.governor in ("powersave", "conservative")
        seen = case.where("host.governor")
        if not saving and not falls:
            return Weighed(None, False, (because(f"the governor is {case.host.governor}", -9.0, seen),))
        # intel_pstate's powersave still reaches full clock: the name alone proves nothing.
        return Weighed((0.35, 0.95), None,
                       (because(f"the governor is {case.host.governor}", 1.3 if saving else 0.0, seen), *falls),
                       ("host.clock_ghz",), factor=1.4)  # fmt: skip
    return Weighed((0.4, 0.9), None, tuple(falls), ("host.clock_ghz", "host.governor"), factor=1.4)

"""The program was built without AVX2, although the processor has it.

Some builds for old machines, containers and packages use SSE or AVX alone. The line `system_info` says what the build
uses (`AVX2 = 0`); a build with loadable backends names the one it took.
"""

from __future__ import annotations

from pvekit.inference.explain import slow_kernels
from pvekit.inference.explain.case import Case, below
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.hardware import Isa

TITLE = "this build of the program does not use AVX2"
SIDE = Side.CPU
PRIOR = 0.05
REMEDY = "Install a build with AVX2: the distribution's package or the project's own archives choose by themselves."


def judge(case: Case) -> Weighed | None:
    """Weigh it: the system has AVX2 and the program does not use it."""
    used = case.isa
    said = case.sign("build_matters")
    words = [because("the build is said to lack AVX", 3.0, said)] if said else []
    if case.guest.isa is not None and below(case.guest.isa, Isa.AVX2):
        return Weighed(None, False, (because("the system shows no AVX2 at all", -9.0, case.where("guest.isa")),))
    if used is not None and used[1] != "guest.isa" and case.guest.isa is not None and below(used[0], Isa.AVX2):
        text = f"the system has {case.guest.isa}, the program uses {used[0]}"
        return slow_kernels.weigh(case, [because(text, 3.0, case.where(used[1]))], read=True)
    return slow_kernels.weigh(case, words, read=case.guest.virtual is False)

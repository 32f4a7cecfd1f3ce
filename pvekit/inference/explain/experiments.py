"""The experiment that tells the two best hypotheses apart, in as few minutes as it can."""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.inference.explain.case import Case
from pvekit.inference.explanation import Experiment

_BY_SWEEP = frozenset({
    "memory_channels", "cpu_type", "build_without_avx2", "few_threads", "many_threads", "hyperthreads", "quant_type",
})  # fmt: skip
_BY_CARD = frozenset(
    {"gpu_fallback", "gpu_underfilled", "pascal_driver", "context_spills", "gpu_too_small", "power_limit", "pcie_link"}
)


def between(case: Case, ranked: Sequence[str]) -> Experiment | None:
    """Return what decides between the best hypotheses, or what to read first."""
    open_ones = [one for one in ranked if one not in ("at_limit", "something_else")][:2]
    if not open_ones:
        return None
    if open_ones[0] == "version_regression":
        return _versions()
    if any(one in _BY_CARD for one in open_ones[:1]):
        return _card(case)
    if any(one in _BY_SWEEP for one in open_ones):
        return _sweep(case)
    return _state(case)


def _sweep(case: Case) -> Experiment:
    cores = case.cores or case.guest.cpus or 8
    counts = sorted({1, 2, 4, cores} & set(range(1, cores + 1)))
    threads = ",".join(map(str, counts))
    commands = [f"llama-bench -m MODEL.gguf -ngl 0 -p 64 -n 16 -r 2 -t {threads}"]
    if case.guest.isa is None:
        commands.append("grep -m1 -wo avx2 /proc/cpuinfo || echo no avx2")
    if case.host.populated_channels is None:
        commands.append("dmidecode -t 17    # on the host, as root: which slots have a module")
    return Experiment(
        "thread-sweep", "Sweep over threads, with prefill", 2.0, tuple(commands),
        (
            "decode flat after about 3 threads, prefill 5 times decode or more: memory, count the modules",
            "decode in proportion to the threads, prefill 1 to 2 times decode: AVX2 is not used",
            "decode in proportion to the threads, prefill 4 times decode or more: too few threads or vCPUs",
            "decode falls with more threads: too many threads",
        ),
        runnable=True,
    )  # fmt: skip


def _card(case: Case) -> Experiment:
    layers = len(case.demand.layers) + 1 if case.demand else 99
    return Experiment(
        "offload-solve", "With and without the card", 3.0,
        (
            f"llama-bench -m MODEL.gguf -p 64 -n 16 -r 2 -ngl 0,{max(1, layers // 4)},{layers}",
            "nvidia-smi -q -d MEMORY,UTILIZATION,CLOCK    # while it writes; the driver's version is on top",
        ),
        (
            "the same speed for every -ngl: the card is not used; look at the first lines that llama.cpp prints",
            "faster with each layer: raise -ngl until the memory is full",
            "memory full and still slow: the model or its context is too large for the card",
        ),
        runnable=True,
    )  # fmt: skip


def _versions() -> Experiment:
    return Experiment(
        "both-versions", "The same with both versions", 3.0,
        (
            "ollama run MODEL --verbose    # or llama-bench, with the version now and with the earlier one",
            "ollama ps    # with both: how much lies on the card, and the context",
        ),
        (
            "the earlier version is faster with the same layers and context: the version is the cause",
            "fewer layers on the card or a longer context: its defaults changed; set num_gpu and num_ctx",
            "both are equally slow: something else changed at the same time (driver, system, heat)",
        ),
    )  # fmt: skip


def _state(case: Case) -> Experiment:
    del case
    return Experiment(
        "read-state", "Look while it runs", 1.0,
        (
            "vmstat 1 10    # in the guest: si, so, bi (disk) and st (stolen time)",
            "grep MHz /proc/cpuinfo | sort | uniq -c    # on the host, under load",
            "numactl --hardware; cat /sys/kernel/mm/ksm/pages_sharing    # on the host",
        ),
        (
            "bi of tens of thousands, or si and so above 0: the model does not fit into memory",
            "st of 5 or more: other VMs take the processors",
            "a clock well below the usual one: governor or heat",
        ),
    )  # fmt: skip

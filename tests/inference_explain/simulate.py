"""Simulated machines with one fault each: the stated model with noise, as scenario files.

    python -m tests.inference_explain.simulate        # writes scenarios/simulated/*.yaml anew

The model is stated here again, apart from what the package fits: decode reads the weights at a part of the memory's
peak and computes at so many GB/s per core, whichever is slower; prefill is arithmetic. Per core at 3 GHz, measured with
Q4_K_M: SSE4.2 1.9 GB/s and 7 GFLOPS, AVX 4.7 and 25, AVX2 6.3 and 84, AVX-512 6.3 and 138. The part of the peak and
the per-core rates vary from machine to machine (a normal deviation of 20 and 12 percent), each run by another 3.
"""

# ruff: noqa: E501 - cases read best in one line
from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import exp
from pathlib import Path
from typing import Any

import yaml

from pvekit.inference import machines
from pvekit.inference.demand import Demand
from pvekit.workflows import llm_model

FOLDER = Path(__file__).parent / "scenarios" / "simulated"
SEED = 20261129
READ = {"sse42": 1.9, "avx": 4.7, "avx2": 6.3, "avx512": 6.3, "avx512-vnni": 6.3}
FLOPS = {"sse42": 7e9, "avx": 25e9, "avx2": 84e9, "avx512": 110e9, "avx512-vnni": 138e9}
DISK = {"hdd": 0.12, "ssd": 0.45, "nvme": 1.8}
CARD = 0.62
"""Part of a card's peak that decode reaches."""


@dataclass(slots=True)
class Machine:
    """A machine to take speeds from. A fault changes some of it."""

    cpu: str
    demand: Demand
    noise: random.Random
    megatransfers: int | None = None
    populated: int | None = None
    isa: str | None = None
    threads: int | None = None
    clock: float = 1.0
    memory_part: float = 1.0
    stolen: float = 0.0
    card: str | None = None
    on_card: float = 0.0
    card_part: float = 1.0
    disk: tuple[str, float] | None = None
    unpack: float = 1.0
    efficiency: float = field(init=False)
    kernels: float = field(init=False)

    def __post_init__(self) -> None:
        self.efficiency = 0.58 * exp(self.noise.gauss(0, 0.2))
        self.kernels = exp(self.noise.gauss(0, 0.12))
        self.efficiency = min(0.85, self.efficiency)

    def _used(self, threads: int | None) -> float:
        cores = machines.preset(self.cpu).cpu.cores or 4
        asked = threads or self.threads or cores
        return min(asked, cores) * (1 - self.stolen)

    def decode(self, threads: int | None = None, depth: int = 0, *, card: bool = True) -> float:
        """Return tokens per second."""
        known = machines.preset(self.cpu)
        channels = self.populated or known.memory.channels or 2
        peak = channels * (self.megatransfers or known.memory.megatransfers or 2400) * 8 / 1000
        memory = peak * self.efficiency * self.memory_part * (1 - self.stolen)
        isa = self.isa or str(known.cpu.isa or "avx2")
        cores = self._used(threads) * READ.get(isa, 6.3) * self.kernels * self.clock * (known.cpu.ghz or 3) / 3
        cores *= self.unpack
        speed = (memory**-4 + cores**-4) ** -0.25
        size = self.demand.read + self.demand.cache(depth)
        lies = min(self.on_card, size) if card and self.card else 0.0
        seconds = 0.002 + (size - lies) / 1e9 / speed
        if lies and self.card:
            found = machines.match_gpu(self.card)
            assert found is not None
            seconds += lies / 1e9 / (found.bandwidth * CARD * self.card_part) + 0.001
        if self.disk is not None:
            seconds += self.disk[1] / 1e9 / DISK[self.disk[0]]
        return self._noisy(1 / seconds)

    def prefill(self, threads: int | None = None) -> float:
        """Return tokens per second of a prompt of 512."""
        known = machines.preset(self.cpu)
        isa = self.isa or str(known.cpu.isa or "avx2")
        rate = self._used(threads) * FLOPS.get(isa, 84e9) * self.kernels * self.clock * (known.cpu.ghz or 3) / 3
        seconds = 2 * self.demand.parameters / rate
        return self._noisy(1 / seconds)

    def _noisy(self, rate: float) -> float:
        return float(f"{rate * exp(self.noise.gauss(0, 0.03)):.3g}")


Text = dict[str, Any]


def made() -> Mapping[str, Text]:
    """Return all simulated scenarios by name; always the same."""
    return {name: _one(name, make) for name, make in MAKERS.items()}


def _one(name: str, make: Callable[[random.Random], Text]) -> Text:
    made_here = make(random.Random(f"{SEED} {name}"))
    return {"basis": "simulated", "source": "tests/inference_explain/simulate.py", **made_here}


def _model(name: str, quant: str = "Q4_K_M") -> Demand:
    return llm_model.demand(name, quant)


def _case(
    machine: Machine, model: str, runs: list[Text], expect: Text, quant: str = "Q4_K_M", **more: object
) -> Text:  # fmt: skip
    hardware: Text = {"cpu": machine.cpu, "memory": {"size": "64 GiB"}}
    if machine.megatransfers:
        hardware["memory"]["megatransfers"] = machine.megatransfers
    if machine.card:
        hardware["gpus"] = [machine.card]
    return {"model": model, "quant": quant, "hardware": hardware, **more, "runs": runs, "expect": expect}


def _sweep(machine: Machine, counts: tuple[int, ...]) -> list[Text]:
    runs: list[Text] = [
        {"phase": "decode", "rate": machine.decode(count), "threads": count, "gpu_layers": 0} for count in counts
    ]
    rate = machine.prefill(counts[-1])
    return [*runs, {"phase": "prefill", "rate": rate, "tokens": 512, "threads": counts[-1], "gpu_layers": 0}]


def _plain(machine: Machine, threads: int | None = None) -> list[Text]:
    known: Text = {"gpu_layers": 0, **({"threads": threads} if threads else {})}
    return [
        {"phase": "decode", "rate": machine.decode(threads), **known},
        {"phase": "prefill", "rate": machine.prefill(threads), "tokens": 512, **known},
    ]


def _served(machine: Machine) -> list[Text]:
    return [{"phase": "decode", "rate": machine.decode(), "device": "gpu"}]


FAULT = ["explained", "undecided"]


def _one_channel_counted(noise: random.Random) -> Text:
    machine = Machine("Ryzen 5 5600G", _model("llama-3.1-8b"), noise, 3200, populated=1)
    host = {"populated_channels": 1, "channels": 2}
    return _case(machine, "llama-3.1-8b", _plain(machine, 6), {"top": "memory_channels", "overall": FAULT}, host=host)


def _one_channel_swept(noise: random.Random) -> Text:
    machine = Machine("Xeon E5-2680 v4", _model("qwen2.5-14b"), noise, 2400, populated=1)
    expect = {"top": "memory_channels", "overall": FAULT, "refuted": ["avx512_missing"], "not_confident": ["cpu_type"]}
    return _case(machine, "qwen2.5-14b", _sweep(machine, (1, 2, 4, 8, 14)), expect, host={"triad": 15.9})


def _two_channels_bare(noise: random.Random) -> Text:
    machine = Machine("EPYC 7302P", _model("llama-3.1-8b"), noise, 2666, populated=2)
    expect = {"top": "memory_channels", "overall": "undecided", "experiment": "thread-sweep"}
    guest = {"virtual": False, "isa": "avx2"}
    return _case(machine, "llama-3.1-8b", _sweep(machine, (2, 4, 8, 16)), expect, guest=guest)


def _cpu_type_loaded(noise: random.Random) -> Text:
    machine = Machine("Xeon E5-2680 v4", _model("qwen2.5-14b"), noise, 2400, isa="sse42")
    expect = {"top": "cpu_type", "overall": FAULT, "refuted": ["avx512_missing"]}
    return _case(machine, "qwen2.5-14b", _plain(machine, 14), expect, guest={"virtual": True, "variant": "sse42"},
                 host={"cpu_type": "x86-64-v2-AES"})  # fmt: skip


def _cpu_type_by_ratio(noise: random.Random) -> Text:
    machine = Machine("Xeon E5-2690 v4", _model("qwen2.5-7b"), noise, 2400, isa="sse42")
    expect = {"top": "cpu_type", "overall": "undecided", "not_confident": ["memory_channels", "few_threads"]}
    return _case(machine, "qwen2.5-7b", _sweep(machine, (1, 4, 14)), expect, guest={"virtual": True})


def _kvm64(noise: random.Random) -> Text:
    machine = Machine("Ryzen 7 5700G", _model("llama-3.1-8b"), noise, 3200, isa="sse42")
    return _case(machine, "llama-3.1-8b", _plain(machine, 8), {"top": "cpu_type", "overall": FAULT},
                 guest={"virtual": True, "isa": "sse42"}, host={"cpu_type": "kvm64"})  # fmt: skip


def _built_for_old(noise: random.Random) -> Text:
    machine = Machine("i5-12400", _model("llama-3.1-8b"), noise, 3200, isa="sse42")
    return _case(machine, "llama-3.1-8b", _plain(machine, 6), {"top": "build_without_avx2", "overall": FAULT},
                 guest={"virtual": False, "isa": "avx2", "variant": "sse42"})  # fmt: skip


def _two_vcpus(noise: random.Random) -> Text:
    machine = Machine("EPYC 7302P", _model("llama-3.1-8b"), noise, 3200, threads=2)
    return _case(machine, "llama-3.1-8b", _plain(machine, 2), {"top": "few_threads", "overall": FAULT},
                 guest={"virtual": True, "isa": "avx2", "cpus": 2}, host={"vcpus": 2, "cpu_type": "host"})  # fmt: skip


def _four_threads(noise: random.Random) -> Text:
    machine = Machine("Xeon E5-2697 v4", _model("qwen2.5-14b"), noise, 2400)
    return _case(machine, "qwen2.5-14b", _sweep(machine, (1, 2, 4)), {"top": "few_threads", "overall": FAULT},
                 guest={"virtual": False, "isa": "avx2"})  # fmt: skip


def _crowd(noise: random.Random) -> Text:
    machine = Machine("Ryzen 9 5950X", _model("llama-3.1-8b"), noise, 3200, memory_part=0.35)
    return _case(machine, "llama-3.1-8b", [{"phase": "decode", "rate": machine.decode(32), "threads": 32}],
                 {"top": "many_threads", "overall": FAULT}, guest={"virtual": True, "cpus": 8, "isa": "avx2"},
                 host={"cpu_type": "host", "vcpus": 8, "populated_channels": 2})  # fmt: skip


def _crowd_swept(noise: random.Random) -> Text:
    machine = Machine("i7-12700K", _model("qwen2.5-7b"), noise, 4800)
    runs = _sweep(machine, (4, 8))
    slow = round(runs[1]["rate"] * 0.45, 2)
    runs.append({"phase": "decode", "rate": slow, "threads": 20, "gpu_layers": 0})
    return _case(machine, "qwen2.5-7b", runs, {"top": ["many_threads", "at_limit"], "overall": [*FAULT, "at its limit"],
                                               "among": {2: ["many_threads"]}})  # fmt: skip


def _hyperthreads(noise: random.Random) -> Text:
    machine = Machine("Xeon E5-2680 v4", _model("qwen2.5-14b"), noise, 2400, memory_part=0.85)
    return _case(machine, "qwen2.5-14b", [{"phase": "decode", "rate": machine.decode(28), "threads": 28, "device": "cpu"}],
                 {"top": ["at_limit", "hyperthreads"], "overall": ["at its limit", "undecided", "explained"],
                  "among": {2: ["hyperthreads"]}}, guest={"virtual": False, "isa": "avx2"},
                 host={"populated_channels": 4})  # fmt: skip


def _numa(noise: random.Random) -> Text:
    machine = Machine("EPYC 7502", _model("qwen2.5-32b"), noise, 3200, memory_part=0.5)
    return _case(machine, "qwen2.5-32b", _plain(machine, 32), {"top": "numa", "overall": FAULT},
                 host={"numa_nodes": 4, "numa_split": True, "populated_channels": 8},
                 guest={"virtual": True, "isa": "avx2"})  # fmt: skip


def _low_clock(noise: random.Random) -> Text:
    machine = Machine("i5-8400", _model("llama-3.1-8b"), noise, 2666, clock=0.21, memory_part=0.7)
    return _case(machine, "llama-3.1-8b", _plain(machine, 6), {"top": "clock", "overall": FAULT},
                 host={"clock_ghz": 0.8, "governor": "powersave", "populated_channels": 2},
                 guest={"virtual": False, "isa": "avx2"})  # fmt: skip


def _hot(noise: random.Random) -> Text:
    machine = Machine("i7-1165G7", _model("llama-3.1-8b"), noise, 3200, clock=0.3, memory_part=0.55)
    return _case(machine, "llama-3.1-8b", _plain(machine, 4), {"top": "clock", "overall": FAULT},
                 host={"throttled": True, "temperature": 99.0, "populated_channels": 2},
                 guest={"virtual": False, "isa": "avx2"})  # fmt: skip


def _balloon(noise: random.Random) -> Text:
    demand = _model("qwen2.5-14b")
    machine = Machine("Xeon E5-2680 v4", demand, noise, 2400, disk=("ssd", demand.held * 0.4))
    return _case(machine, "qwen2.5-14b", [{"phase": "decode", "rate": machine.decode(14), "threads": 14, "device": "cpu"}],
                 {"top": ["ballooning", "swapping"], "overall": FAULT, "among": {2: ["ballooning"]}},
                 guest={"virtual": True, "isa": "avx2", "memory": 17_179_869_184},
                 host={"balloon": 11_000_000_000, "cpu_type": "host"})  # fmt: skip


def _ksm(noise: random.Random) -> Text:
    machine = Machine("Ryzen 7 5700G", _model("qwen2.5-7b"), noise, 3200, memory_part=0.9)
    return _case(machine, "qwen2.5-7b", _plain(machine, 8),
                 {"top": ["at_limit", "ksm"], "overall": ["at its limit", "undecided"], "healthy": True},
                 host={"ksm_sharing": 900_000, "populated_channels": 2}, guest={"virtual": True, "isa": "avx2"})  # fmt: skip


def _too_large(noise: random.Random) -> Text:
    demand = _model("llama-3.1-70b")
    machine = Machine("Ryzen 9 5900X", demand, noise, 3200, disk=("nvme", demand.held * 0.5))
    case = _case(machine, "llama-3.1-70b", [{"phase": "decode", "rate": machine.decode(12), "threads": 12, "device": "cpu"}],
                 {"top": "swapping", "overall": FAULT}, guest={"memory": 34_359_738_368, "isa": "avx2"})  # fmt: skip
    case["hardware"]["memory"]["size"] = "32 GiB"
    return case


def _swapping(noise: random.Random) -> Text:
    demand = _model("qwen2.5-14b")
    machine = Machine("i5-8400", demand, noise, 2666, disk=("ssd", demand.held * 0.5))
    case = _case(machine, "qwen2.5-14b", [{"phase": "decode", "rate": machine.decode(6), "threads": 6}],
                 {"top": "swapping", "overall": FAULT}, guest={"swap_in_rate": 61000.0, "major_faults": 412_000})  # fmt: skip
    case["hardware"]["memory"]["size"] = "16 GiB"
    return case


def _few_layers(noise: random.Random) -> Text:
    demand = _model("qwen2.5-32b")
    machine = Machine("Xeon E5-2680 v4", demand, noise, 2400, card="Tesla P40", on_card=demand.held * 20 / 65)
    runs = [{**_served(machine)[0], "gpu_layers": 20}]
    return _case(machine, "qwen2.5-32b", runs, {"top": "gpu_underfilled", "overall": FAULT},
                 guest={"gpu_layers": 20, "gpu_backend": True, "driver": "580.95.05"})  # fmt: skip


def _solved(noise: random.Random) -> Text:
    machine = Machine("Ryzen 7 5700X", _model("llama-3.1-8b"), noise, 3200, card="RTX 3060", on_card=1.2e9)
    runs = [
        {"phase": "decode", "rate": machine.decode(card=False), "gpu_layers": 0, "device": "cpu"},
        *_served(machine),
    ]
    return _case(machine, "llama-3.1-8b", runs, {"top": "gpu_underfilled", "overall": FAULT, "note": "under-filled"})


def _narrow_link(noise: random.Random) -> Text:
    machine = Machine("Ryzen 5 5600", _model("llama-3.1-8b"), noise, 3200, card="RTX 3090", on_card=6e9, card_part=1.1)
    return _case(machine, "llama-3.1-8b", _served(machine),
                 {"top": ["at_limit", "pcie_link"], "overall": ["at its limit", "undecided"], "healthy": True,
                  "among": {2: ["pcie_link"]}},
                 host={"link_generation": 1, "link_width": 4, "link_generation_max": 4, "link_width_max": 16,
                       "link_under_load": True}, guest={"gpu_layers": 33, "gpu_backend": True})  # fmt: skip


def _pascal(noise: random.Random) -> Text:
    machine = Machine("i7-6700", _model("llama-3.1-8b"), noise, 2133)
    case = _case(machine, "llama-3.1-8b", [{"phase": "decode", "rate": machine.decode(4)}],
                 {"top": "pascal_driver", "overall": FAULT, "among": {2: ["pascal_driver"]}},
                 guest={"driver": "590.44.01", "gpu_backend": False},
                 errors=["NVRM: The NVIDIA GPU 0000:01:00.0 is supported through the NVIDIA 580.xx Legacy drivers"])  # fmt: skip
    case["hardware"]["gpus"] = ["GTX 1080"]
    return case


def _fallback(noise: random.Random) -> Text:
    machine = Machine("Ryzen 5 3600", _model("llama-3.1-8b"), noise, 3200)
    case = _case(machine, "llama-3.1-8b", [{"phase": "decode", "rate": machine.decode(6)}],
                 {"top": "gpu_fallback", "overall": FAULT}, guest={"gpu_backend": False},
                 errors=["ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected"])  # fmt: skip
    case["hardware"]["gpus"] = ["RTX 3060"]
    return case


def _fallback_unknown(noise: random.Random) -> Text:
    machine = Machine("Ryzen 5 3600", _model("llama-3.1-8b"), noise, 3200)
    case = _case(machine, "llama-3.1-8b", [{"phase": "decode", "rate": machine.decode(6)}],
                 {"top": "gpu_fallback", "overall": "undecided"}, guest={"gpu_busy_percent": 1.0})  # fmt: skip
    case["hardware"]["gpus"] = ["RTX 4070"]
    return case


def _spilled(noise: random.Random) -> Text:
    machine = Machine("Ryzen 7 5700X", _model("llama-3.1-8b"), noise, 3200, card="RTX 3060", on_card=1.6e9)
    return _case(machine, "llama-3.1-8b", _served(machine), {"top": "context_spills", "overall": FAULT},
                 guest={"context": 131_072, "gpu_backend": True})  # fmt: skip


def _neighbour(noise: random.Random) -> Text:
    machine = Machine("EPYC 7302P", _model("llama-3.1-8b"), noise, 3200, stolen=0.45)
    return _case(machine, "llama-3.1-8b", _plain(machine, 16), {"top": "neighbour", "overall": FAULT},
                 guest={"virtual": True, "isa": "avx2", "cpus": 16, "steal_percent": 38.0},
                 host={"cpu_type": "host", "vcpus": 16, "populated_channels": 8})  # fmt: skip


def _slow_quant(noise: random.Random) -> Text:
    machine = Machine("i5-8400", _model("llama-3.1-8b", "IQ2_XXS"), noise, 2666, unpack=0.2)
    return _case(machine, "llama-3.1-8b", _sweep(machine, (1, 2, 4, 6)),
                 {"top": ["quant_type", "at_limit"], "overall": [*FAULT, "at its limit"], "among": {2: ["quant_type"]}},
                 quant="IQ2_XXS", guest={"virtual": False, "isa": "avx2"},
                 host={"populated_channels": 2})  # fmt: skip


def _old(noise: random.Random) -> Text:
    machine = Machine("X5675", _model("llama-3.1-8b"), noise, 1333, isa="sse42")
    return _case(machine, "llama-3.1-8b", _sweep(machine, (1, 2, 6)),
                 {"top": ["old_cpu", "at_limit"], "overall": ["at its limit"], "healthy": True,
                  "among": {2: ["old_cpu"]}}, guest={"virtual": False, "isa": "sse42"})  # fmt: skip


def _held_back(noise: random.Random) -> Text:
    machine = Machine("Ryzen 9 5900X", _model("qwen2.5-14b"), noise, 3200, card="RTX 3090", on_card=12e9, card_part=0.5)
    return _case(machine, "qwen2.5-14b", _served(machine),
                 {"top": ["power_limit", "something_else"], "overall": "undecided", "among": {2: ["power_limit"]}},
                 guest={"gpu_layers": 49, "gpu_backend": True, "gpu_bytes": 8_500_000_000})  # fmt: skip


def _deep(noise: random.Random) -> Text:
    machine = Machine("Ryzen 9 7950X", _model("qwen2.5-14b"), noise, 5200)
    runs = [
        {"phase": "decode", "rate": machine.decode(16, depth), "threads": 16, "depth": depth, "gpu_layers": 0}
        for depth in (0, 32768)
    ]
    return _case(machine, "qwen2.5-14b", runs, {"top": ["deep_context", "at_limit"], "overall": "at its limit",
                                                "healthy": True, "among": {2: ["deep_context"]}})  # fmt: skip


def _split(noise: random.Random) -> Text:
    machine = Machine("Ryzen 9 5950X", _model("llama-3.1-70b"), noise, 3600, card="RTX 3090", on_card=22e9)
    return _case(machine, "llama-3.1-70b", _served(machine),
                 {"top": ["gpu_too_small", "at_limit"], "overall": "at its limit", "healthy": True,
                  "among": {2: ["gpu_too_small"]}}, guest={"gpu_layers": 42, "gpu_backend": True})  # fmt: skip


def _healthy_swept(noise: random.Random) -> Text:
    machine = Machine("Xeon E5-2650 v4", _model("llama-3.1-8b"), noise, 2400)
    return _case(machine, "llama-3.1-8b", _sweep(machine, (1, 4, 8, 12)),
                 {"top": "at_limit", "overall": "at its limit", "healthy": True, "refuted": ["avx512_missing"]},
                 guest={"virtual": True, "isa": "avx2", "cpus": 12}, host={"cpu_type": "host"})  # fmt: skip


def _nothing_known(noise: random.Random) -> Text:
    machine = Machine("i5-8400", _model("llama-3.1-8b"), noise, 2666, populated=1)
    case = _case(machine, "llama-3.1-8b", [{"phase": "decode", "rate": machine.decode(6)}],
                 {"top": ["something_else", "memory_channels", "few_threads", "swapping", "cpu_type", "many_threads"],
                  "overall": "not enough evidence"})  # fmt: skip
    del case["model"], case["quant"], case["hardware"]
    return case


MAKERS: Mapping[str, Callable[[random.Random], Text]] = {
    name.removeprefix("_").replace("_", "-"): make
    for name, make in {
        made_by.__name__: made_by
        for made_by in (
            _one_channel_counted, _one_channel_swept, _two_channels_bare, _cpu_type_loaded, _cpu_type_by_ratio, _kvm64,
            _built_for_old, _two_vcpus, _four_threads, _crowd, _crowd_swept, _hyperthreads, _numa, _low_clock, _hot,
            _balloon, _ksm, _too_large, _swapping, _few_layers, _solved, _narrow_link, _pascal, _fallback,
            _fallback_unknown, _spilled, _neighbour, _slow_quant, _old, _held_back, _deep, _split, _healthy_swept,
            _nothing_known,
        )
    }.items()
}  # fmt: skip


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in made().items():
        (FOLDER / f"{name}.yaml").write_text(dump(text), encoding="utf-8")


def dump(text: Text) -> str:
    """Return one file's text."""
    return yaml.safe_dump(text, sort_keys=False, default_flow_style=None, width=110)


if __name__ == "__main__":
    main()

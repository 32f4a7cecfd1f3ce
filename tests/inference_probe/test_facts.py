"""Facts out of an answer: real texts of several machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.adapters import llm_probe, llm_probe_cpu, llm_probe_gpu
from pvekit.inference.hardware import Isa
from pvekit.inference.probed import observed_parts
from pvekit.inference.probed.contradictions import contradictions
from pvekit.model.bundle import Bundle
from pvekit.model.missing import Missing

FOLDER = Path(__file__).parent / "cases"
CASES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "machines.yaml").read_text())


def bundle(case: dict[str, Any], side: str = "files") -> Bundle:
    return Bundle(case["id"], case[side], case.get("left_out", {}))


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_facts_are_those_of_the_machine(case: dict[str, Any]) -> None:
    facts = llm_probe.facts_of(bundle(case))
    below = llm_probe.facts_of(bundle(case, "below")) if "below" in case else None
    for name, value in case.get("facts", {}).items():
        assert facts[name] == value, name
    for name in case.get("missing", ()):
        found = facts[name]
        assert isinstance(found, Missing), name
        assert found.why
    guest, host, hardware = observed_parts(facts, below)
    for name, value in case.get("guest", {}).items():
        assert getattr(guest, name) == value, name
    for name, value in case.get("host", {}).items():
        assert getattr(host, name) == value, name
    for name, value in case.get("hardware", {}).items():
        part, _, attribute = name.partition(".")
        assert getattr(getattr(hardware, part), attribute) == value, name
    native = below.get("guest.isa") if below else None
    seen = contradictions(guest, host, Isa(native) if isinstance(native, str) else None)
    assert [each.id for each in seen] == case.get("contradictions", [])
    assert all(each.text and each.remedy for each in seen)


@pytest.mark.parametrize(("flags", "isa"), [
    ("sse4_1 sse4_2 aes hypervisor", "sse42"), ("sse4_2 avx", "avx"), ("sse4_2 avx avx2", "avx"),
    ("avx avx2 fma f16c bmi2", "avx2"), ("avx avx2 fma f16c bmi2 avx_vnni", "avx2"),
    ("avx avx2 fma f16c bmi2 avx512f avx512bw avx512dq avx512vl avx512cd", "avx512"),
    ("avx2 avx512f avx512bw avx512dq avx512vl avx512cd avx512_vnni", "avx512-vnni"),
    ("avx512f avx512bw avx512vl avx512_vnni amx_int8 amx_tile", "amx"),
    ("fp asimd evtstrm", "neon"), ("fp asimd asimddp", "neon-dotprod"), ("asimd asimddp i8mm sve", "neon-i8mm"),
    ("fpu vme", None),
])  # fmt: skip
def test_the_widest_instructions_of_the_flags(flags: str, isa: str | None) -> None:
    assert llm_probe_cpu.isa(set(flags.split())) == isa
    assert isa is None or Isa(isa)


def test_what_happens_between_two_looks() -> None:
    before = {"stat.txt": "cpu  100 0 50 1000 0 0 0 10 0 0", "throttle.txt": "/a/core_throttle_count:3",
              "vmstat.txt": "pswpin 5\npgmajfault 7\npgpgin 1000"}  # fmt: skip
    after = {"stat.txt": "cpu  200 0 50 1080 0 0 0 30 0 0", "throttle.txt": "/a/core_throttle_count:4",
             "vmstat.txt": "pswpin 25\npgmajfault 9\npgpgin 11000"}  # fmt: skip
    found = llm_probe_cpu.pressure(Bundle("x", before), Bundle("x", after), 2.0)
    assert found.steal_percent == 10.0
    assert found.swap_in_rate == 10.0
    assert found.major_faults == 2
    assert found.disk_read == pytest.approx(10000 * 1024 / 1e6 / 2)
    assert found.throttled is True


def test_counters_that_are_not_there_are_no_zeros() -> None:
    found = llm_probe_cpu.pressure(Bundle("x", {}), Bundle("x", {}), 2.0)
    assert found == llm_probe_cpu.Pressure(None, None, None, None, None)


def test_the_last_variant_that_was_loaded_counts() -> None:
    stderr = (FOLDER / "list-devices.txt").read_text()
    assert llm_probe_gpu.variant(stderr) == "haswell"
    assert llm_probe_gpu.variant("load_backend: loaded BLAS backend from /x/libggml-blas.so") is None

"""What holds for every observation, whatever is missing in it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvekit.cli import llm_show_explain as show
from pvekit.inference import machines
from pvekit.inference.explain import explain
from pvekit.inference.explanation import Explanation, Overall, Stance
from pvekit.inference.factnames import title
from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Guest, Host, Observed, Run, Seen
from pvekit.inference.reports.prose import signs
from pvekit.workflows import llm_model
from tests.inference_explain.scenario import Scenario, scenarios

SIGNS = tuple(name for name, _ in signs.patterns())
MODELS = ("llama-3.1-8b", "qwen2.5-14b", "qwen3-30b-a3b", "llama-3.1-70b", "gemma-3-270m")
MACHINES = ("z440-p106", "n100", "pi5", "ryzen-5950x-3090", "mac-m4-pro", "epyc-9354", "X5675", "RTX 3060")
COUNT = st.none() | st.integers(0, 300)
SIZE = st.none() | st.integers(0, 2**40)
PART = st.none() | st.floats(0, 200, allow_nan=False)
TRUTH = st.none() | st.booleans()

RUNS = st.builds(
    Run, phase=st.sampled_from(("decode", "prefill")), rate=st.floats(0, 1e4), depth=st.sampled_from((0, 512, 32768)),
    tokens=COUNT, threads=COUNT, gpu_layers=COUNT, device=st.sampled_from((None, "cpu", "gpu")),
    variant=st.sampled_from((None, "sse42", "haswell", "odd")), clients=st.sampled_from((1, 4)),
    model=st.sampled_from((None, "llama-3.1-8b Q4_K_M", "other")),
)  # fmt: skip
GUESTS = st.builds(
    Guest, virtual=TRUTH, isa=st.none() | st.sampled_from(Isa), variant=st.sampled_from((None, "sse42", "haswell")),
    cpus=COUNT, memory=SIZE, available=SIZE, swap_used=SIZE, swap_in_rate=PART, major_faults=COUNT, steal_percent=PART,
    driver=st.sampled_from((None, "580.1", "590.44", "odd")), cuda=st.sampled_from((None, "12.8", "13.0")),
    gpu_backend=TRUTH, gpu_busy_percent=PART, gpu_layers=COUNT, gpu_bytes=SIZE, context=SIZE, disk_read=PART,
    threads=COUNT, gpu_full=TRUTH, gpu_short=st.sampled_from((None, "weights", "cache")),
)  # fmt: skip
HOSTS = st.builds(
    Host, populated_channels=COUNT, channels=COUNT, megatransfers=st.none() | st.integers(0, 9000), triad=PART,
    governor=st.sampled_from((None, "powersave", "performance")), throttled=TRUTH, temperature=PART, clock_ghz=PART,
    clock_limit_ghz=PART,    ksm_sharing=SIZE, balloon=SIZE, numa_nodes=COUNT, numa_split=TRUTH,
    cpu_type=st.sampled_from((None, "host", "kvm64", "x86-64-v2-AES", "odd")), vcpus=COUNT, cores=COUNT, threads=COUNT,
    load=PART, link_generation=COUNT, link_width=COUNT, link_generation_max=COUNT, link_width_max=COUNT,
    link_under_load=TRUTH, disk=st.sampled_from((None, "hdd")),
)  # fmt: skip


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    model, machine = draw(st.none() | st.sampled_from(MODELS)), draw(st.none() | st.sampled_from(MACHINES))
    lines = st.sampled_from(("no kernel image is available", "oom-kill", "will ignore this GPU", "nothing"))
    return Observed(
        "drawn", llm_model.demand(model, None) if model else None, machines.preset(machine) if machine else None,
        tuple(draw(st.lists(RUNS, max_size=5))), draw(GUESTS), draw(HOSTS),
        errors=tuple(Seen("log.txt", 1, text) for text in draw(st.lists(lines, max_size=2))),
        expected=draw(st.none() | st.floats(0.1, 1000)),
        signs={sign: Seen("post.txt", 1, sign) for sign in draw(st.lists(st.sampled_from(SIGNS), max_size=3))},
    )  # fmt: skip


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(observations())
def test_every_observation_has_an_answer(observed: Observed) -> None:
    found = explain(observed)
    assert sum(one.probability for one in found.ranked) == pytest.approx(1)
    assert all(0 <= one.probability <= 1 for one in found.ranked)
    assert len({one.id for one in found.ranked}) == len(found.ranked)
    assert found == explain(observed)
    assert all(one.lacking or one.evidence or one.id == "at_limit" for one in found.ranked)
    confirmed = [one for one in found.ranked if one.stance is Stance.CONFIRMED]
    assert len(confirmed) <= 1
    assert (found.experiment is None) or found.overall in (Overall.UNDECIDED, Overall.UNKNOWN)
    assert show.text(found).startswith(found.summary)
    assert show.code(found) in (0, 1, 2)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(observations())
def test_speeds_alone_never_name_a_cause(observed: Observed) -> None:
    runs = tuple(replace(run, threads=None, gpu_layers=None, variant=None) for run in observed.runs)
    bare = replace(observed, runs=runs, guest=Guest(), host=Host(), errors=(), signs={})
    if bare.hardware is not None:
        bare = replace(bare, hardware=replace(bare.hardware, memory=replace(bare.hardware.memory, capacity=None)))
    assert explain(bare).overall is not Overall.CONFIRMED


def dropped(one: Scenario) -> list[tuple[str, Observed]]:
    """Return the scenario without each of its facts."""
    found = []
    for side in ("guest", "host"):
        facts: Guest | Host = getattr(one.observed, side)
        for each in fields(facts):
            if getattr(facts, each.name) is not None:
                without = replace(facts, **{each.name: None})  # type: ignore[arg-type]
                found.append((f"{side}.{each.name}", replace(one.observed, **{side: without})))  # type: ignore[arg-type]
    for sign in one.observed.signs:
        kept = {name: seen for name, seen in one.observed.signs.items() if name != sign}
        found.append((f"sign {sign}", replace(one.observed, signs=kept)))
    return found


def asserted(found: Explanation) -> str | None:
    """Return the cause that is asserted."""
    return found.ranked[0].id if found.overall is Overall.CONFIRMED else None


@pytest.mark.parametrize("one", scenarios(), ids=lambda one: one.file)
def test_less_knowledge_never_decides(one: Scenario) -> None:
    before = asserted(explain(one.observed))
    for fact, less in dropped(one):
        after = asserted(explain(less))
        assert after is None or after == before, f"without {fact}: {after} instead of {before}"


@pytest.mark.parametrize("one", scenarios(), ids=lambda one: one.file)
def test_what_is_not_known_was_not_read_and_has_a_name_for_people(one: Scenario) -> None:
    for judgement in explain(one.observed).ranked:
        for fact in judgement.lacking:
            side, _, name = fact.partition(".")
            if side in ("guest", "host"):
                assert getattr(getattr(one.observed, side), name) is None, f"{judgement.id}: {fact}"
                assert title(fact) != fact

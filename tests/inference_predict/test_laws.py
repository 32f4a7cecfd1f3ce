"""Laws that hold for any machine and model."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.inference import machines
from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Run
from pvekit.inference.predict import Probe, expected_decode, of_runs, predict
from pvekit.inference.predict.buffers import Serving
from pvekit.inference.predict.calibrate import shift
from pvekit.inference.predict.coefficients import coefficients
from pvekit.inference.predict.features import cpu_device
from pvekit.inference.predict.formula import decode
from pvekit.inference.predict.split import place
from pvekit.inference.predict.work import work
from tests.inference_predict.values import card, model, xeon

GIGABYTES = st.floats(0.3, 80)
ISAS = st.sampled_from([Isa.SSE42, Isa.AVX, Isa.AVX2, Isa.AVX512])


@given(GIGABYTES, st.integers(1, 3), ISAS)
@settings(deadline=None, max_examples=40)
def test_more_bandwidth_is_never_slower(size: float, channels: int, isa: Isa) -> None:
    slow, fast = (predict(model(gigabytes=size), xeon(count, isa)) for count in (channels, channels + 1))
    assert fast.decode[0].rate.value >= slow.decode[0].rate.value
    assert fast.prefill[0].rate.value >= slow.prefill[0].rate.value


@given(GIGABYTES, st.integers(0, 100_000), st.integers(1, 100_000), st.booleans())
@settings(deadline=None, max_examples=40)
def test_more_depth_is_never_faster(size: float, depth: int, more: int, with_card: bool) -> None:
    hardware = xeon(cards=(card(),) if with_card else ())
    found = predict(model(gigabytes=size), hardware, depths=(depth, depth + more))
    assert found.decode[1].rate.value <= found.decode[0].rate.value
    assert found.prefill[1].rate.value <= found.prefill[0].rate.value


@given(GIGABYTES, st.one_of(st.none(), st.integers(1, 4)), ISAS, st.booleans(), st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_the_range_is_around_the_value_and_the_terms_are_its_sum(
    size: float, populated: int | None, isa: Isa, experts: bool, threads: int
) -> None:
    hardware = xeon(populated, isa, (card(),))
    found = predict(model(gigabytes=size, experts=experts), hardware, depths=(0, 5000), threads=threads)
    for speed in (*found.decode, *found.prefill):
        assert 0 < speed.rate.low <= speed.rate.value <= speed.rate.high
        assert abs(sum(term.seconds for term in speed.terms) * speed.rate.value - 1) < 1e-6


@given(st.integers(0, 48), GIGABYTES)
@settings(deadline=None, max_examples=40)
def test_more_layers_on_a_faster_card_are_never_slower(layers: int, size: float) -> None:
    hardware = xeon(cards=(card(bandwidth=900.0, gib=200),))
    less, more = (predict(model(gigabytes=size), hardware, gpu_layers=count) for count in (layers, layers + 1))
    if layers > 0:  # The first layer also pays for the way over PCIe.
        assert more.decode[0].rate.value >= less.decode[0].rate.value * 0.9999
    assert (less.gpu_layers, more.gpu_layers) == (layers, layers + 1)


@given(GIGABYTES, st.integers(1, 96), st.integers(512, 65536), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_every_layer_lies_once_and_auto_fits_the_cards(size: float, gib: int, context: int, cards: int) -> None:
    demand = model(gigabytes=size)
    hardware = xeon(cards=tuple(card(gib=gib) for _ in range(cards)))
    parts = place(demand, hardware.gpus, Serving(context))
    assert sorted(index for part in parts for index in range(part.start, part.stop)) == list(range(48))
    assert sum(part.head for part in parts) == 1
    found = predict(demand, hardware, context=context)
    assert all(use.fits for use in found.memory if use.place != "main memory")


@given(st.floats(0.35, 1.25), GIGABYTES, st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_a_probe_at_its_own_row_returns_near_it(factor: float, size: float, channels: int) -> None:
    demand, hardware = model(gigabytes=size), replace(xeon(channels), memory=xeon(channels).memory)
    hardware = replace(hardware, memory=replace(hardware.memory, capacity=None))
    rate = predict(demand, hardware).decode[0].rate.value * factor
    probe = of_runs([Run("decode", rate)], demand, isa=Isa.AVX2)
    found = predict(demand, hardware, probe=probe)
    assert found.basis == "probe"
    assert abs(found.decode[0].rate.value / rate - 1) < 0.08


@given(st.floats(0.5, 1.5), st.floats(0.5, 1.5))
@settings(deadline=None, max_examples=40)
def test_two_probes_tell_reading_from_the_cost_per_layer(reading: float, layer: float) -> None:
    group, hardware = coefficients().groups["cpu"], xeon()
    device = cpu_device(hardware.cpu, hardware.memory)
    asked = [work(model(layers, size), 0, Isa.AVX2) for layers, size in ((16, 0.8), (48, 8.5))]
    before = [decode(group, device, each) for each in asked]
    seconds = [each.stream / reading + each.layers * layer for each in before]
    moved = shift(group, device, list(zip(asked, seconds, strict=True)), coefficients().spread)
    after = [decode(group, device, each, moved).seconds for each in asked]
    assert all(abs(found / wanted - 1) < 0.12 for found, wanted in zip(after, seconds, strict=True))


@given(st.floats(0.5, 1.6))
@settings(deadline=None, max_examples=20)
def test_a_probe_with_a_small_model_moves_a_large_one_the_same_way(factor: float) -> None:
    small, large, hardware = model(16, 0.8), model(48, 8.5), xeon(None)
    rate = predict(small, hardware).decode[0].rate.value * factor
    probe = of_runs([{"phase": "decode", "rate": rate}], small, isa=Isa.AVX2)
    before, after = (predict(large, hardware, probe=each).decode[0].rate for each in (None, probe))
    assert (after.value - before.value) * (factor - 1) >= 0
    assert after.high / after.low < before.high / before.low


def test_a_probe_of_the_processor_says_nothing_of_the_card() -> None:
    demand, hardware = model(), xeon(cards=(card(gib=24),))
    rate = predict(demand, hardware, gpu_layers=0).decode[0].rate.value / 2
    probe = of_runs([Run("decode", rate, device="cpu")], demand)
    assert predict(demand, hardware, probe=probe).decode == predict(demand, hardware).decode
    assert predict(demand, hardware, probe=Probe()).basis == "specification"


@given(st.integers(1, 13))
@settings(deadline=None, max_examples=13)
def test_more_threads_are_never_slower(threads: int) -> None:
    less, more = (expected_decode(model(), xeon(), threads=count).value for count in (threads, threads + 1))
    assert more >= less


def test_what_does_not_fit_is_bound_by_capacity() -> None:
    found = predict(model(gigabytes=120), xeon())
    assert found.decode[0].bound.value == "capacity"
    assert found.memory[0].fits is False


def test_a_class_measured_with_another_program_only_is_told_more_widely() -> None:
    card = machines.preset("RTX 2080 Ti")
    own, other = (predict(model(), card, localscore=each).decode[0].rate for each in (False, True))
    assert own.high / own.low > 1.05 * other.high / other.low

"""Settings as llama-bench and llama-server write them, and which are worth a run where."""

from __future__ import annotations

import pytest

from pvekit.inference.tune import DEFAULTS, Knobs, Situation, axes, start
from pvekit.inference.tune.space import between, grid

ALL = Knobs(8, 16, 2048, 256, True, "q8_0", "q8_0", 20, "distribute", "none", 0)


def test_the_defaults_are_no_arguments_at_all() -> None:
    assert DEFAULTS.bench("decode") == DEFAULTS.server() == ()
    assert str(DEFAULTS) == "llama.cpp's defaults"


def test_each_phase_has_its_threads() -> None:
    assert ALL.bench("decode")[:2] == ("-t", "8")
    assert ALL.bench("prefill")[:2] == ("-t", "16")
    assert Knobs(threads=4).bench("prefill") == ("-t", "4")


def test_older_versions_have_other_words() -> None:
    assert ALL.bench("decode", load_mode=False, words=False)[-2:] == ("-mmp", "0")
    assert " ".join(ALL.bench("decode", words=False)).count("-fa 1") == 1
    assert ALL.server(load_mode=False)[-1] == "--no-mmap"


def test_the_server_gets_all_of_them() -> None:
    assert ALL.line() == (
        "--threads 8 --threads-batch 16 -b 2048 -ub 256 -fa on -ctk q8_0 -ctv q8_0 -ngl 20 --numa distribute "
        "--poll 0 --load-mode none"
    )


@pytest.mark.parametrize(("fields", "there", "absent"), [
    ({"objective": "decode"}, {"threads", "waiting"}, {"batch", "numa", "cache", "offload", "prompt threads"}),
    ({"objective": "prefill"}, {"batch", "prompt threads"}, {"threads", "waiting"}),
    ({"objective": "mixed", "numa_nodes": 2}, {"threads", "prompt threads", "batch", "numa"}, {"offload"}),
    ({"objective": "mixed", "gpu": True, "layers": 48, "gpu_layers": 10}, {"offload"}, {"numa"}),
    ({"objective": "mixed", "gpu": True, "layers": 48, "gpu_layers": 48}, {"threads"}, {"offload"}),
    ({"objective": "decode", "cache_types": True}, {"cache"}, set()),
])  # fmt: skip
def test_only_knobs_that_can_matter_are_tried(fields: dict[str, object], there: set[str], absent: set[str]) -> None:
    situation = Situation(**{"cpus": 32, "cores": 16, "threads": 16, **fields})  # type: ignore[arg-type]
    tried = axes(situation)
    names = {axis.name for axis in tried}
    assert there <= names
    assert not absent & names
    assert all(len(axis.values) > 1 for axis in tried)
    assert grid(tried) > 3 * sum(len(axis.values) for axis in tried) or len(tried) < 4
    assert all(knobs != DEFAULTS for axis in tried for knobs in axis.variants(DEFAULTS))


def test_a_split_starts_with_what_fits() -> None:
    situation = Situation("decode", 16, 8, 8, gpu=True, layers=48, gpu_layers=10)
    assert start(situation) == Knobs(gpu_layers=10)


def test_the_finer_step_stays_between_its_neighbours() -> None:
    threads = axes(Situation("decode", 64, 32, 32))[0]
    finer = between(threads, Knobs(threads=16))
    assert finer is not None
    assert [value["threads"] for value in finer.values] == [20]
    assert between(threads, DEFAULTS) is None

"""Results made for the tests: the real file, and records with whatever a test wants in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvekit.adapters.llm.records import load
from pvekit.inference.explanation import Evidence, Experiment, Explanation, Judgement, Overall, Stance
from pvekit.inference.report.page import Page, page
from pvekit.inference.report.read import hosts, machine
from pvekit.inference.report.scrub import Scrub
from pvekit.inference.report.view import Machine
from pvekit.model.benchmark import Record

FILE = Path(__file__).parent / "data" / "gemma-two-threads.jsonl"
AT = "2026-11-29T06:00:00Z"
HOSTILE = '<script>alert("x")</script>&amp;\']]>--|`*_\x00\u202e\ud800\n# [a](http://example.org/x)'


def real() -> list[Record]:
    return load(FILE)


def bench(key: str = "tg", variant: str | None = "haswell", **fields: Any) -> Record:
    row: dict[str, Any] = {
        "build_commit": "abc1234",
        "build_number": 11669,
        "cpu_info": "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz",
        "gpu_info": "",
        "backends": "CPU",
        "model_filename": "/home/anna/models/m.gguf",
        "model_type": "qwen2 14B",
        "model_size": 8_980_000_000,
        "model_n_params": 14_770_000_000,
        "n_batch": 2048,
        "n_ubatch": 512,
        "n_threads": 14,
        "type_k": "f16",
        "type_v": "f16",
        "n_gpu_layers": -1,
        "flash_attn": -1,
        "n_prompt": 0,
        "n_gen": 128,
        "n_depth": 0,
        "avg_ts": 4.4,
        "stddev_ts": 0.1,
        "samples_ts": [4.3, 4.4, 4.5],
    }
    return Record("llama-bench", key, AT, {"raw": json.dumps(row | fields), "variant": variant})


def everything(name: str = "m", text: str = "t") -> list[Record]:
    """Return records of every kind, with ``name`` and ``text`` wherever something from outside is shown."""
    span = {"depth": 0, "rate": {"low": 3.0, "value": 4.0, "high": 6.0}, "bound": text, "terms": []}
    one = {"ttft_s": 0.5, "gaps_s": [0.1, 0.2, 0.15], "tokens": 4}
    common: Mapping[str, Any] = {"model_type": name, "cpu_info": name, "model_filename": f"/models/{name}"}
    return [
        Record("header", "header", AT, {"suite": text, "target": "vm9", "model": name, "command": ["pvekit", text]}),
        Record(
            "prediction",
            "p",
            AT,
            {"hardware": text, "basis": text, "decode": [span], "prefill": [span], "notes": [text]},
        ),
        Record(
            "environment",
            "e",
            AT,
            {
                "guest.isa": "avx2",
                "guest.cpus": 14,
                "host.populated_channels": 4,
                "host.megatransfers": 2400,
                "host.clock_ghz": 2.9,
                "guest.note": text,
                text: name,
            },
        ),
        bench("tg14", **common),
        bench("tg7", n_threads=7, avg_ts=4.1, **common),
        bench("tg14d", n_depth=2048, avg_ts=4.0, **common),
        bench("pp", n_prompt=512, n_gen=0, avg_ts=44.0, type_k=text, **common),
        bench("pp7", n_prompt=512, n_gen=0, n_threads=7, avg_ts=25.0, **common),
        Record(
            "http",
            "h1",
            AT,
            {
                "clients": 1,
                "prompt_tokens": 40,
                "generated": 4,
                "tokens_per_s": 4.0,
                "wall_s": 1.0,
                "errors": 0,
                "requests": [one],
            },
        ),
        Record(
            "http",
            "h2",
            AT,
            {
                "clients": 2,
                "prompt_tokens": 41,
                "generated": 8,
                "tokens_per_s": 6.0,
                "wall_s": 1.3,
                "errors": 0,
                "requests": [one, one],
            },
        ),
        Record("energy", "tg14", AT, {"source": text, "joules": 900.0, "seconds": 10.0, "idle_watts": 60.0}),
        Record("failure", text, AT, {"what": text, "stderr": text, "exit": 1}),
        Record("end", "end", AT, {"complete": True, "seconds": 90.0}),
    ]


def explanation(text: str = "t") -> Explanation:
    known = Judgement("few-channels", text, Stance.LIKELY, 0.6, (Evidence(text, 1.0),), 2.0, text, (text,))
    gone = Judgement("avx512", text, Stance.REFUTED, 0.01, (Evidence(text, -3.0),), None, text)
    return Explanation(
        Overall.UNDECIDED, text, (known, gone), Experiment("sweep", text, 2.0, (text,), (text,), True), (text,)
    )


def view(records: list[Record], label: str = "results") -> Machine:
    return machine(records, label=label, scrub=Scrub(hosts(records)))


def paged(*several: list[Record]) -> Page:
    return page([view(records, f"r{index}") for index, records in enumerate(several)])

"""One line of llama-bench, as far as a page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvekit.inference.report.figures import number, numbers, positive, whole, words
from pvekit.inference.report.scrub import Scrub
from pvekit.inference.report.view import Bench

_OPTIONS = {
    "n_threads": "-t", "n_batch": "-b", "n_ubatch": "-ub", "n_gpu_layers": "-ngl", "flash_attn": "-fa",
    "type_k": "-ctk", "type_v": "-ctv",
}  # fmt: skip
"""What makes one run another than the next, by the option that sets it."""
_AUTOMATIC = {("n_gpu_layers", -1), ("flash_attn", -1)}


def bench(key: str, row: Mapping[str, Any], variant: str, scrub: Scrub) -> Bench | None:
    """Return one run, or None when the line has no speed."""
    rate = positive(row.get("avg_ts"))
    prompt, generated = whole(row.get("n_prompt")) or 0, whole(row.get("n_gen")) or 0
    if rate is None or prompt < 0 or generated < 0 or not (prompt or generated):
        return None
    phase = "both" if prompt and generated else "prefill" if prompt else "decode"
    knobs = {}
    for name, option in _OPTIONS.items():
        value = row.get(name)
        if value is None or (name, whole(value)) in _AUTOMATIC:
            continue
        knobs[option] = str(int(value)) if isinstance(value, bool) else scrub.plain(_plain(value))
    return Bench(
        key=scrub(key),
        phase=phase,
        rate=rate,
        samples=tuple(value for value in numbers(row.get("samples_ts")) if value > 0),
        deviation=number(row.get("stddev_ts")),
        prompt=prompt,
        generated=generated,
        depth=max(whole(row.get("n_depth")) or 0, 0),
        knobs=knobs,
        threads=whole(row.get("n_threads")),
        ubatch=whole(row.get("n_ubatch")),
        gpu_layers=whole(row.get("n_gpu_layers")),
        size=positive(row.get("model_size")),
        parameters=positive(row.get("model_n_params")),
        model=scrub.plain(words(row.get("model_type"))),
        file=scrub.plain(words(row.get("model_filename"))).replace("\\", "/").rpartition("/")[2],
        cpu=scrub.plain(words(row.get("cpu_info"))).strip(),
        gpu=scrub.plain(words(row.get("gpu_info"))).strip(),
        backends=words(row.get("backends")),
        build=scrub.plain(" ".join(part for part in (_build(row), words(row.get("build_commit"))) if part)),
        variant=scrub.plain(variant),
    )


def _plain(value: Any) -> str:
    found = whole(value)
    return str(found) if found is not None else words(value)


def _build(row: Mapping[str, Any]) -> str:
    found = whole(row.get("build_number"))
    return "" if found is None else f"b{found}"

"""How well the memory of `pvekit llm predict` agrees with what llama-server takes on this machine.

    python benchmarks/llm_memory.py [--only NAME] [--models FOLDER] [--limit PERCENT]

Starts a real llama-server for each case, on loopback and with a key made at random, lets each slot read a prompt, and
compares its resident set and its own log with the prediction. Models are made up, as large as the real
ones; one is real. Ends with 1 when a total is further away than the limit.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pvekit.adapters import gguf
from pvekit.adapters.llm import server
from pvekit.cli.show import table
from pvekit.inference.hardware import Isa
from pvekit.inference.models import shapes, synth
from pvekit.inference.models.demand import of_file
from pvekit.inference.predict import Serving, served
from pvekit.inference.prediction import MemoryUse
from tests.llama import tools
from tests.llama.model import gemma

MIB = 2**20
_MORE = 88
"""A prompt is longer than a batch and a window by so much. A longer one touches only more of a mask, 1 KiB a token."""
_ISA = {
    "sse42": Isa.SSE42, "sandybridge": Isa.AVX, "haswell": Isa.AVX2, "skylakex": Isa.AVX512,
    "icelake": Isa.AVX512_VNNI,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One server. ``model`` is a shape, or "real" for Gemma 3 270M; ``layers`` cuts a shape, ``cpu`` a variant."""

    model: str
    quant: str
    context: int
    slots: int = 1
    cache: str = "f16"
    batch: int = 512
    layers: int | None = None
    cpu: str | None = None
    reorder: bool = True

    @property
    def serving(self) -> Serving:
        """Return it as the prediction takes it."""
        return Serving(self.context, self.slots, self.batch, self.cache, self.cache, reorder=self.reorder)

    @property
    def name(self) -> str:
        """Return a line for a person."""
        words = [self.model, self.quant, f"{self.context} tokens"]
        words += [f"{self.layers} layers"] if self.layers else []
        words += [f"{self.slots} slots"] if self.slots > 1 else []
        words += [f"cache {self.cache}"] if self.cache != "f16" else []
        words += [f"batch {self.batch}"] if self.batch != 512 else []
        words += [self.cpu] if self.cpu else []
        return ", ".join(words if self.reorder else [*words, "no copies"])


CASES = (
    Case("real", "Q4_K_M", 4096),
    Case("real", "Q4_K_M", 8192, slots=4),
    Case("smollm2-135m", "Q4_0", 2048, batch=256),
    Case("smollm2-360m", "F16", 8192),
    Case("qwen2.5-0.5b", "Q4_K_M", 4096),
    Case("qwen2.5-0.5b", "Q4_K_M", 8192, cache="q8_0"),
    Case("qwen3-0.6b", "Q8_0", 4096, slots=4),
    Case("llama-3.2-1b", "Q4_0", 4096),
    Case("llama-3.2-1b", "Q4_0", 4096, cpu="sandybridge"),
    Case("llama-3.2-1b", "Q4_K_M", 8192, slots=2),
    Case("gemma-3-1b", "Q4_K_M", 8192),
    Case("qwen2.5-1.5b", "Q8_0", 4096),
    Case("qwen3-30b-a3b", "Q4_K_M", 4096, layers=4),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a running server was seen to take: its resident set, and its parts as the log and the maps say them."""

    total: int
    use: MemoryUse

    @property
    def parts(self) -> tuple[int, ...]:
        """Return the parts in the order of the table."""
        return _parts(self.use)


def file_of(case: Case, folder: Path) -> Path:
    """Return the model's file, made where it is not there."""
    if case.model == "real":
        return gemma()
    path = folder / f"{case.model}-{case.layers or 'all'}-{case.quant}.gguf"
    if not path.exists():
        shape = shapes.shape(case.model)
        synth.write(replace(shape, layers=case.layers or shape.layers), case.quant, path)
    return path


def predicted(case: Case, path: Path) -> MemoryUse:
    """Return the prediction for the file on this processor."""
    return served(of_file(gguf.read(path)), case.serving, _ISA[case.cpu or tools.best()])


def taken(case: Case, path: Path) -> Taken:
    """Start the server, let each slot read a prompt, and return what it takes then. Raises PvekitError."""
    layers = of_file(gguf.read(path)).layers
    window = max((layer.attention.window or 0 for layer in layers if layer.attention), default=0)
    # Without a cache of prompts: it grows with every other prompt, up to --cache-ram (8 GiB).
    words = ["--verbosity", "4", "--threads", "1", "--ubatch-size", str(case.batch), "--cache-ram", "0"]
    words += ["--cache-type-k", case.cache, "--cache-type-v", case.cache, *([] if case.reorder else ["--no-repack"])]
    with server.started(
        [*tools.argv("llama-server"), *words], str(path), slots=case.slots, context=case.context,
        environment=tools.environment(case.cpu),
    ) as running:  # fmt: skip
        length = min(case.context // case.slots - 16, case.batch + window + _MORE)
        for slot in range(case.slots):
            prompt = [20 + (slot + index) % 200 for index in range(length)]
            body = {"prompt": prompt, "max_tokens": 4, "ignore_eos": True, "id_slot": slot}
            running.client.ask(body, path="/v1/completions")
        process = Path("/proc") / str(running.process.pid)
        resident = _resident((process / "status").read_text(encoding="ascii"))
        weights = _mapped((process / "smaps").read_text(encoding="utf-8", errors="replace"), path)
        log = running.log.read_text(encoding="utf-8", errors="replace")
    cache, compute, copies = (_logged(log, name) for name in ("CPU KV", "CPU compute", "CPU_REPACK model"))
    other = resident - weights - cache - compute - copies
    return Taken(resident, MemoryUse("", None, weights, cache, compute, other, copies))


def _resident(status: str) -> int:
    return sum(int(size) for size in re.findall(r"^Rss(?:Anon|File|Shmem):\s+(\d+) kB", status, re.MULTILINE)) * 1024


def _mapped(smaps: str, path: Path) -> int:
    found, ours = 0, False
    for line in smaps.splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            ours = line.endswith(str(path.resolve()))
        elif ours and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found


def _logged(log: str, name: str) -> int:
    return round(sum(float(size) for size in re.findall(rf"{name} buffer size =\s*([\d.]+) MiB", log)) * MIB)


def _parts(use: MemoryUse) -> tuple[int, ...]:
    return use.weights, use.cache, use.compute, use.other, use.copies


def row(case: Case, said: MemoryUse, found: Taken) -> list[str]:
    """Return a line of the table: each part predicted and measured in MiB, then the totals and the error."""
    parts = [f"{mine / MIB:.0f}/{theirs / MIB:.0f}" for mine, theirs in zip(_parts(said), found.parts, strict=True)]
    return [case.name, *parts, f"{said.total / MIB:.0f}/{found.total / MIB:.0f}", f"{error(said, found):+.1f} %"]


def error(said: MemoryUse, found: Taken) -> float:
    """Return by how many percent the prediction is above what was seen."""
    return 100 * (said.total / found.total - 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases and print the table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--only", default="", help="cases with this in their name")
    options.add_argument("--models", type=Path, help="keep the made-up models here")
    options.add_argument("--limit", type=float, default=5.0, help="percent a total may be off")
    chosen = options.parse_args(arguments)
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory(prefix="pvekit-memory-") as fresh:
        folder = chosen.models or Path(fresh)
        for case in CASES:
            if chosen.only not in case.name:
                continue
            path = file_of(case, folder)
            said, found = predicted(case, path), taken(case, path)
            rows.append(row(case, said, found))
            worst = max(worst, abs(error(said, found)))
            print(" ".join(rows[-1]), file=sys.stderr)
            if chosen.models is None and path.is_relative_to(folder):
                path.unlink()
    print("MiB, predicted/measured")
    print(table(("CASE", "WEIGHTS", "KV CACHE", "COMPUTE", "OTHER", "COPIES", "TOTAL", "ERROR"), rows))
    print(f"largest error {worst:.1f} %, limit {chosen.limit:g} %")
    return 0 if rows and worst <= chosen.limit else 1


if __name__ == "__main__":
    sys.exit(main())

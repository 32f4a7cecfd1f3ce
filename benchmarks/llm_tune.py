"""What `pvekit llm tune` gains on this machine with a real model, and how many runs it takes against a full grid.

    python benchmarks/llm_tune.py [MODEL.gguf] [--objective mixed] [--runs 60] [--out FILE.jsonl]

The gain is that of this machine in its present state: on a busy one fewer threads win by far, and the load is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pvekit.cli import llm_show_tune
from pvekit.model.errors import PvekitError
from pvekit.workflows import llm_machine, llm_tune
from tests.llama import tools
from tests.llama.model import gemma


def main() -> None:
    """Search, prove and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("model", nargs="?", help="a GGUF file; default: Gemma 3 270M of the tests")
    options.add_argument("--objective", choices=("decode", "prefill", "mixed"), default="mixed")
    options.add_argument("--runs", type=int, default=60, help="of llama-bench, at least 20")
    options.add_argument("--out", type=Path, help="records of every run (JSONL)")
    chosen = options.parse_args()
    wish = llm_tune.Wish(chosen.objective, chosen.runs)
    machine, bench = llm_machine.here(tools.environment()), tools.argv("llama-bench")

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    try:
        with llm_tune.planned(machine, wish, model=chosen.model or str(gemma()), bench=bench, say=say) as plan:
            tuned = llm_tune.run(machine, plan, wish, records=chosen.out, say=say)
    except PvekitError as error:
        raise SystemExit(f"{error}\n{error.hint}") from error
    print(llm_show_tune.text(tuned, chosen.objective))
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

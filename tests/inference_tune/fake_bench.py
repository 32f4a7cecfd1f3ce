"""Stands in for llama-bench: rates by a formula, so that what a search came to can be checked. Run as a program."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

DEFAULT_THREADS = 4


def main() -> int:
    words = sys.argv[1:]
    if "--list-devices" in words:
        print("load_backend: loaded CPU backend from /x/libggml-cpu-haswell.so", file=sys.stderr)
        print("Available devices:\n  (none)")
        return 0
    if "--help" in words:
        print("  -lm, --load-mode <auto|none>\n  -fa, --flash-attn <on|off|auto>")
        return 0
    options = dict(zip(words[::2], words[1::2], strict=True))
    count = Path(os.environ["FAKE_RUNS"])
    runs = int(count.read_text()) if count.exists() else 0
    count.write_text(str(runs + 1))
    if runs == int(os.environ.get("FAKE_DIES_AT", "-1")):
        print("ggml: the machine is gone", file=sys.stderr)
        return 1
    if options.get("-lm") == "none":
        print("llama_model_load: failed to allocate buffer", file=sys.stderr)
        return 1
    threads = int(options.get("-t", DEFAULT_THREADS))
    decode = {1: 6.0, 2: 14.0, 3: 12.0, 4: 10.0}.get(threads, 5.0) * (1 + 0.002 * (runs % 3))
    prefill = 20.0 * threads * (1.2 if options.get("-fa") == "on" else 1.0)
    print("load_backend: loaded CPU backend from /x/libggml-cpu-haswell.so", file=sys.stderr)
    for phase, rate in (("p", prefill), ("n", decode)):
        tokens = int(options.get(f"-{phase}", "0"))
        if tokens:
            row = {"n_prompt": tokens if phase == "p" else 0, "n_gen": tokens if phase == "n" else 0, "avg_ts": rate,
                   "samples_ts": [rate] * int(options.get("-r", "5")), "n_threads": threads, "n_batch": 2048,
                   "n_gpu_layers": -1, "gpu_info": "", "model_size": 10**9}  # fmt: skip
            print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())

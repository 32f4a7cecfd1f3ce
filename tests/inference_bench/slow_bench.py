"""Stands in for llama-bench: takes a moment, counts its calls. Run as a program."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

words = sys.argv[1:]
if "-p" not in words:
    sys.exit(0)
options = dict(zip(words[::2], words[1::2], strict=True))
with Path(os.environ["FAKE_CALLS"]).open("a") as calls:
    calls.write(json.dumps(options) + "\n")
time.sleep(float(os.environ.get("FAKE_SECONDS", "0.2")))
print("load_backend: loaded CPU backend from /x/libggml-cpu-haswell.so", file=sys.stderr)
prompt, generate = int(options["-p"]), int(options["-n"])
print(json.dumps({"n_prompt": prompt, "n_gen": generate, "n_depth": 0, "n_threads": int(options.get("-t", 2)),
                  "avg_ns": 1, "avg_ts": 50.0, "samples_ts": [49.0, 50.0, 51.0]}))  # fmt: skip

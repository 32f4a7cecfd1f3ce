"""The other client, llama-benchy 0.4, asked for the same work and read in the same terms.

What it calls tg is the server's count of tokens (``usage``) less one for each client, from the first text of the first
client to the last text of the last. pvekit leaves out one token in all: the others' first tokens come within that time.
For one client that is the same number; for more it is converted, which a client of N tokens makes larger by
(clients x N - 1) / (clients x (N - 1)). What it calls e2e_ttft is pvekit's time to first token.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pvekit.adapters.llm import load
from pvekit.adapters.llm.openai import Client

_BOOK_WORDS = 20_000
_KEY = "BENCHY_KEY"
_START = (
    f"import os, sys; sys.argv += ['--api-key', os.environ['{_KEY}']]; from llama_benchy.__main__ import main; main()"
)
"""It takes a key as an argument only, and arguments are seen by everybody."""


@dataclass(frozen=True, slots=True)
class Benchy:
    """How to start it: the address of its text, and ``home`` with its tokenizer, for its cache and results."""

    text: str
    home: Path

    def measure(self, client: Client, clients: int, words: int, tokens: int) -> tuple[float, float]:
        """Return tokens/s of all clients together in pvekit's terms, and the mean time to first token in seconds."""
        out = self.home / "benchy.json"
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", _START, "--base-url", f"{client.base}/v1",
             "--model", "m", "--tokenizer", str(self.home), "--book-url", self.text,
             "--pp", str(words), "--tg", str(tokens), "--exact-tg", "--runs", "1", "--concurrency", str(clients),
             "--latency-mode", "none", "--skip-coherence", "--no-warmup", "--no-adapt-prompt",
             "--format", "json", "--save-result", str(out),
             # As pvekit asks. Its own --no-cache would put a text of another length into the prompt.
             "--extra-body", "temperature=0,seed=1,cache_prompt=false"],
            check=False, capture_output=True, text=True,
            env={**os.environ, "HOME": str(self.home), "HF_HUB_OFFLINE": "1",
                 _KEY: client.key.reveal() if client.key is not None else "EMPTY"},
        )  # fmt: skip
        if done.returncode or not out.exists():
            raise SystemExit(f"llama-benchy ended with {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
        run = json.loads(out.read_text())["benchmarks"][0]
        if run["tg_throughput"] is None:
            raise SystemExit(f"llama-benchy measured nothing\n{done.stdout[-1500:]}")
        converted = (clients * tokens - 1) / (clients * (tokens - 1))
        return float(run["tg_throughput"]["mean"]) * converted, float(run["e2e_ttft"]["mean"]) / 1000


@contextmanager
def ready(home: Path) -> Iterator[Benchy]:
    """Give a llama-benchy with pvekit's words: a text on loopback, and a tokenizer that counts its words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = load.text(_BOOK_WORDS, "book").split()[1:]
    vocabulary = {word: number for number, word in enumerate(sorted({*words, "[UNK]"}))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.save(str(home / "tokenizer.json"))
    (home / "book.txt").write_text(" ".join(words))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(home)))
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield Benchy(f"http://127.0.0.1:{door.server_port}/book.txt", home)
    finally:
        door.shutdown()
        door.server_close()

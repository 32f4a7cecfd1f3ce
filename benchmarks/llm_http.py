"""pvekit's HTTP load against an independent client, llama-benchy, on the same llama-server in the same run.

Both send the same number of clients, prompts of the same length and answers of the same length, in turns: what drifts
is in both of them. Both rates are the server's tokens from the first token of the first client to the last of the last.
A machine that others use changes its speed from one turn to the next, so each turn is also put beside what the server
itself counted and timed during that turn (/metrics). The last column, which decides, is free of such changes.

    python benchmarks/llm_http.py [MODEL.gguf] [--rounds 5] [--clients 1 2 4] [--json FILE]
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pvekit.adapters.llm import load, server
from pvekit.adapters.llm.load import Size
from pvekit.adapters.llm.openai import Client
from tests.llama import tools
from tests.llama.model import gemma

LIMIT = 0.05
_BOOK_WORDS = 20_000


@contextmanager
def book(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give the address of a text on loopback, and the file of a tokenizer that counts its words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = load.text(_BOOK_WORDS, "book").split()[1:]
    vocabulary = {word: number for number, word in enumerate(sorted({*words, "Warmup", ".", "[UNK]"}))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.save(str(folder / "tokenizer.json"))
    (folder / "book.txt").write_text(" ".join(words))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{door.server_port}/book.txt", folder
    finally:
        door.shutdown()
        door.server_close()


def benchy(base: str, key: str, text: str, tokenizer: Path, clients: int, size: Size, home: Path) -> float:
    """Return llama-benchy's tokens/s of all clients together."""
    out = home / "benchy.json"
    done = subprocess.run(
        [str(Path(sys.executable).parent / "llama-benchy"), "--base-url", f"{base}/v1", "--api-key", key,
         "--model", "m", "--tokenizer", str(tokenizer), "--book-url", text,
         "--pp", str(size.prompt), "--tg", str(size.generate),
         "--exact-tg", "--runs", "1", "--concurrency", str(clients), "--latency-mode", "none", "--skip-coherence",
         "--no-warmup", "--no-adapt-prompt", "--format", "json", "--save-result", str(out),
         "--extra-body", "temperature=0"],
        check=False, capture_output=True, text=True, env={**os.environ, "HOME": str(home), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode or not out.exists():
        raise SystemExit(f"llama-benchy ended with {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    run = json.loads(out.read_text())["benchmarks"][0]
    return float(run["tg_throughput"]["mean"])


def turn(client: Client, work: Callable[[], float]) -> tuple[float, float]:
    """Return the tokens/s that a client measured, and the server's own tokens per second of generation meanwhile."""
    before = counters(client.metrics())
    measured = work()
    after = counters(client.metrics())
    tokens, seconds = (
        after[name] - before[name] for name in ("tokens_predicted_total", "tokens_predicted_seconds_total")
    )
    return measured, tokens / seconds


def counters(text: str) -> dict[str, float]:
    """Return llama-server's counters by name."""
    rows = [line.split() for line in text.splitlines() if line.startswith("llamacpp:")]
    return {row[0].partition(":")[2]: float(row[1]) for row in rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1, help="of the server: a busy machine stalls several")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model, size = given.model or str(gemma()), Size(given.prompt, given.generate)
    slots = max(given.clients)
    found: dict[int, list[tuple[float, float, float]]] = {count: [] for count in given.clients}
    command = [*tools.argv("llama-server"), "--cache-ram", "0", "--threads", str(given.threads)]
    with tempfile.TemporaryDirectory() as name, server.started(
        command, model, slots=slots, context=slots * 1024, environment=tools.environment()
    ) as running, book(Path(name)) as (text, tokenizer):  # fmt: skip
        client = running.client
        assert client.key is not None
        speaker = load.meet(client)
        # llama-benchy is told words, which its tokenizer counts; the same number of the server's tokens comes of them.
        words = Size(round((size.prompt - speaker.overhead) / speaker.per_word), size.generate)
        for number in range(given.rounds):
            for count in given.clients:

                def theirs(count: int = count) -> float:
                    assert client.key is not None
                    return benchy(client.base, client.key.reveal(), text, tokenizer, count, words, Path(name))

                def ours(count: int = count, number: int = number) -> float:
                    return float(load.measure(speaker, count, size, rounds=1, key=f"{number}-{count}")["tokens_per_s"])

                # Who begins changes: the first of two may find a warmer or a busier machine.
                if number % 2:
                    mine, clock = turn(client, ours)
                    other, its = turn(client, theirs)
                else:
                    other, its = turn(client, theirs)
                    mine, clock = turn(client, ours)
                by_clock = (mine / clock) / (other / its)
                found[count].append((mine, other, by_clock))
                told = f"pvekit {mine:.2f}, llama-benchy {other:.2f}, by the server's clock {by_clock:.3f}"
                print(f"round {number + 1}, {count} clients: {told}", flush=True)
    good = True
    print(f"\n{'clients':>7}  {'pvekit':>8}  {'llama-benchy':>12}  {'ratio':>6}  {'by the server clock':>19}")
    for count, rows in found.items():
        mine, other, ratio = (statistics.median(row[side] for row in rows) for side in (0, 1, 2))
        plain = statistics.median(row[0] / row[1] for row in rows)
        good = good and abs(ratio - 1) <= LIMIT
        print(f"{count:>7}  {mine:>8.2f}  {other:>12.2f}  {plain:>6.3f}  {ratio:>19.3f}")
    print(f"within {LIMIT:.0%} of each other: {'yes' if good else 'NO'}")
    if given.json:
        given.json.write_text(json.dumps({str(count): rows for count, rows in found.items()}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

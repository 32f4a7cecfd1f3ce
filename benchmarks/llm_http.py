"""pvekit's HTTP load against an independent client, llama-benchy, on the same llama-server in the same run.

Both send the same number of clients, prompts of as many tokens and answers of as many tokens, in turns: what drifts is
in both of them. The server's own counters (/metrics) prove that the work was the same, or the run ends. Both rates are
the server's tokens from the first token of the first client to the last token of the last; benchmarks/llm_http_parts
says how llama-benchy's figure becomes that one.

A machine that others use changes its speed from one turn to the next, so each turn is also put beside the seconds that
the server itself took for its tokens in that turn. The ratio by the server's clock is free of such changes and decides:
beyond 5 % for any number of clients, this ends with 1. On a quiet machine the plain ratio says the same.

    python benchmarks/llm_http.py [MODEL.gguf] [--rounds 7] [--clients 1 2 4] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.llm_http_parts.benchy import Benchy, ready
from pvekit.adapters.llm import load, server
from pvekit.adapters.llm.load import Size, Speaker
from pvekit.adapters.llm.openai import Client
from tests.llama import tools
from tests.llama.model import gemma

LIMIT = 0.05
_WORK = Callable[[], tuple[float, float]]
_TRIAL = 40


@dataclass(frozen=True, slots=True)
class Turn:
    """What one client measured, tokens/s and the time to first token, and the server's own account of it."""

    rate: float
    first: float
    own_rate: float
    prompt: int
    generated: int


@contextmanager
def meeting(model: str, slots: int, size: Size, threads: int) -> Iterator[tuple[Speaker, Benchy]]:
    """Start a server and make both clients ready."""
    command = [*tools.argv("llama-server"), "--cache-ram", "0", "--threads", str(threads)]
    context = slots * max(1024, 2 * (size.prompt + size.generate))
    with tempfile.TemporaryDirectory(prefix="pvekit-http-") as name, server.started(
        command, model, slots=slots, context=context, environment=tools.environment()
    ) as running, ready(Path(name)) as benchy:  # fmt: skip
        yield load.meet(running.client), benchy


def counters(client: Client) -> dict[str, float]:
    """Return llama-server's counters by name."""
    rows = [line.split() for line in client.metrics().splitlines() if line.startswith("llamacpp:")]
    return {row[0].partition(":")[2]: float(row[1]) for row in rows}


def turn(client: Client, work: _WORK) -> Turn:
    """Let one client work, and note what the server counted meanwhile."""
    before = counters(client)
    rate, first = work()
    after = counters(client)
    prompt, generated, seconds = (
        after[name] - before[name]
        for name in ("prompt_tokens_total", "tokens_predicted_total", "tokens_predicted_seconds_total")
    )
    return Turn(rate, first, generated / seconds, round(prompt), round(generated))


def words_for(speaker: Speaker, benchy: Benchy, tokens: int) -> int:
    """Return how many words of llama-benchy are a prompt of so many of the server's tokens, the template included."""
    trial = turn(speaker.client, lambda: benchy.measure(speaker.client, 1, _TRIAL, 4))
    return max(1, _TRIAL + round((tokens - trial.prompt) / speaker.per_word))


def rounds(
    speaker: Speaker, benchy: Benchy, size: Size, clients: list[int], count: int
) -> dict[int, list[tuple[Turn, Turn]]]:
    """Return the turns of pvekit and of llama-benchy by number of clients."""
    words = words_for(speaker, benchy, size.prompt)
    found: dict[int, list[tuple[Turn, Turn]]] = {many: [] for many in clients}
    for number in range(count):
        for many in clients:

            def ours(many: int = many, number: int = number) -> tuple[float, float]:
                told = load.measure(speaker, many, size, rounds=1, key=f"{number}-{many}")
                return float(told["tokens_per_s"]), statistics.mean(told["ttft_s"])

            def theirs(many: int = many) -> tuple[float, float]:
                return benchy.measure(speaker.client, many, words, size.generate)

            # Who begins changes: the first of two may find a warmer or a busier machine.
            if number % 2:
                mine, other = turn(speaker.client, ours), turn(speaker.client, theirs)
            else:
                other, mine = turn(speaker.client, theirs), turn(speaker.client, ours)
            same(mine, other, many, size)
            found[many].append((mine, other))
            print(f"round {number + 1}, {many} clients: pvekit {mine.rate:.2f}, llama-benchy {other.rate:.2f}, "
                  f"by the server's clock {by_clock(mine, other):.3f}", file=sys.stderr)  # fmt: skip
    return found


def same(mine: Turn, other: Turn, clients: int, size: Size) -> None:
    """End the run when the two did not do the same work."""
    wanted = clients * size.generate
    if {mine.generated, other.generated} != {wanted} or abs(mine.prompt - other.prompt) > 0.05 * other.prompt:
        raise SystemExit(
            f"not the same work with {clients} clients: the server counts {mine.prompt} and {other.prompt} tokens of "
            f"prompts, {mine.generated} and {other.generated} of answers; {wanted} were to come"
        )


def by_clock(mine: Turn, other: Turn) -> float:
    """Return the ratio of two rates, each beside the server's own in its turn."""
    return (mine.rate / mine.own_rate) / (other.rate / other.own_rate)


def table(found: dict[int, list[tuple[Turn, Turn]]]) -> tuple[str, bool]:
    """Return medians by number of clients, and whether all ratios are within the limit."""
    rates = f"{'pvekit':>9}{'llama-benchy':>14}{'ratio':>8}{'by server clock':>17}{'(turns)':>16}"
    lines = [f"{'clients':>7}{'prompt':>8}{rates}{'TTFT ms':>9}{'benchy':>8}"]
    good = True
    for many, pairs in found.items():
        ratios = [by_clock(mine, other) for mine, other in pairs]
        middle = statistics.median(ratios)
        good = good and abs(middle - 1) <= LIMIT
        mine, other = (statistics.median(pair[side].rate for pair in pairs) for side in (0, 1))
        first, its = (statistics.median(1000 * pair[side].first for pair in pairs) for side in (0, 1))
        plain = statistics.median(mine.rate / other.rate for mine, other in pairs)
        prompt = statistics.median(pair[0].prompt / many for pair in pairs)
        spread = f"{min(ratios):.3f}..{max(ratios):.3f}"
        lines.append(f"{many:>7}{prompt:>8.0f}{mine:>9.2f}{other:>14.2f}{plain:>8.3f}{middle:>17.3f}"
                     f"{spread:>16}{first:>9.0f}{its:>8.0f}")  # fmt: skip
    return "\n".join(lines), good


def main() -> int:
    """Measure in turns and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("model", nargs="?", help="a GGUF file; default: Gemma 3 270M of the tests")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4])
    options.add_argument("--prompt", type=int, default=64, help="tokens of a prompt, the chat template included")
    options.add_argument("--generate", type=int, default=128, help="tokens of an answer")
    options.add_argument("--threads", type=int, default=1, help="of the server: a busy machine stalls several")
    options.add_argument("--json", type=Path, help="write every turn here")
    chosen = options.parse_args()
    size = Size(chosen.prompt, chosen.generate)
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    with meeting(chosen.model or str(gemma()), max(chosen.clients), size, chosen.threads) as (speaker, benchy):
        found = rounds(speaker, benchy, size, chosen.clients, max(1, chosen.rounds))
    if chosen.json is not None:
        plain = {str(many): [[asdict(one) for one in pair] for pair in pairs] for many, pairs in found.items()}
        chosen.json.write_text(json.dumps(plain, indent=1) + "\n")
    text, good = table(found)
    print(f"load after: {os.getloadavg()[0]:.1f}\n{text}")
    print(f"within {LIMIT:.0%} of each other by the server's clock: {'yes' if good else 'NO'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

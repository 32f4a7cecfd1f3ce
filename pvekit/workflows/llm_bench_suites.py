"""What a benchmark measures: three suites, each a list of steps for llama-bench and for the served API."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Test:
    """One call of llama-bench. ``threads`` None leaves them to llama.cpp; so does ``batch``."""

    prompt: int = 0
    generate: int = 0
    depth: int = 0
    threads: int | None = None
    batch: int | None = None
    ubatch: int | None = None

    @property
    def key(self) -> str:
        """Return the name of the measurement in a results file."""
        parts = [f"pp{self.prompt}" if self.prompt else "", f"tg{self.generate}" if self.generate else ""]
        parts += [f"d{self.depth}" if self.depth else "", f"t{self.threads}" if self.threads else ""]
        parts += [f"b{self.batch}" if self.batch else "", f"ub{self.ubatch}" if self.ubatch else ""]
        return "-".join(part for part in parts if part)

    def arguments(self, rounds: int) -> list[str]:
        """Return llama-bench's arguments."""
        pairs = [("-p", self.prompt), ("-n", self.generate), ("-r", rounds)]
        pairs += [("-d", self.depth)] if self.depth else []
        more = (("-t", self.threads), ("-b", self.batch), ("-ub", self.ubatch))
        pairs += [(flag, value) for flag, value in more if value is not None]
        return [word for flag, value in pairs for word in (flag, str(value))]


@dataclass(frozen=True, slots=True)
class Ask:
    """So many clients at once, each with a prompt of so many tokens and an answer of so many."""

    clients: int
    prompt: int
    generate: int

    @property
    def key(self) -> str:
        """Return the name of the measurement in a results file."""
        return f"c{self.clients}-p{self.prompt}-g{self.generate}"


@dataclass(frozen=True, slots=True)
class Suite:
    """``sweep`` are thread counts beside what llama.cpp chooses; those above the machine's are left out.

    ``seconds`` bounds one call of llama-bench; ``enough`` are the seconds after which clients begin no further round.
    """

    name: str
    tests: tuple[Test, ...]
    asks: tuple[Ask, ...]
    rounds: int
    sweep: tuple[int, ...] = ()
    swept: Test = Test(generate=32)
    seconds: float = 3600.0
    enough: float = math.inf

    def steps(self, processors: int | None) -> Iterator[Test]:
        """Yield the calls of llama-bench on a machine with so many processors."""
        yield from self.tests
        counts = {count for count in self.sweep if processors is None or count <= processors}
        if self.sweep and processors:
            counts |= {processors, max(1, processors // 2)}
        for count in sorted(counts):
            yield Test(self.swept.prompt, self.swept.generate, self.swept.depth, count)


_CLIENTS = (1, 2, 4, 8)

SUITES = {
    "quick": Suite(
        "quick",
        (Test(prompt=512), Test(generate=64)),
        (Ask(1, 128, 64), Ask(2, 128, 64), Ask(4, 128, 64), Ask(1, 1024, 32)),
        rounds=3, sweep=(1, 2, 4), seconds=1800.0, enough=20.0,
    ),
    "full": Suite(
        "full",
        (
            Test(prompt=512), Test(generate=128),
            Test(prompt=512, depth=4096), Test(generate=128, depth=4096),
            Test(prompt=512, depth=16384), Test(generate=128, depth=16384),
            Test(prompt=512, batch=128, ubatch=128), Test(prompt=512, batch=256, ubatch=256),
            Test(prompt=2048, batch=2048, ubatch=1024),
        ),
        (
            *(Ask(count, 128, 128) for count in _CLIENTS),
            *(Ask(count, 2048, 64) for count in _CLIENTS),
            Ask(1, 6144, 64),
        ),
        rounds=5, sweep=(1, 2, 4, 8, 16, 32), seconds=7200.0,
    ),
    "soak": Suite(
        "soak",
        (Test(prompt=512), *(Test(generate=count) for count in (512, 1024)), Test(generate=256, depth=4096)),
        (*(Ask(count, 512, 512) for count in _CLIENTS), Ask(8, 2048, 512)),
        rounds=20, seconds=4 * 3600.0,
    ),
}  # fmt: skip

"""One streamed answer: when its parts came, and how many tokens they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TEXTS = ("content", "reasoning_content", "reasoning", "text")


@dataclass(slots=True)
class Answer:
    """Times in seconds on the clock of the caller. ``counted`` says who counted the tokens: usage, timings, chunks."""

    begun: float
    ended: float = 0.0
    chunks: list[float] = field(default_factory=list)
    prompt: int | None = None
    generated: int = 0
    cached: int | None = None
    counted: str = "chunks"
    finish: str | None = None
    done: bool = False
    timings: Mapping[str, Any] | None = None
    failure: str = ""

    @property
    def first(self) -> float | None:
        """Return the time to first token."""
        return self.chunks[0] - self.begun if self.chunks else None

    @property
    def gaps(self) -> list[float]:
        """Return the times between parts; a part is a token as a rule."""
        return [later - earlier for earlier, later in zip(self.chunks, self.chunks[1:], strict=False)]

    @property
    def rate(self) -> float | None:
        """Return tokens/s after the first token."""
        span = self.chunks[-1] - self.chunks[0] if self.chunks else 0.0
        return (self.generated - 1) / span if span > 0 and self.generated > 1 else None

    def plain(self, zero: float) -> dict[str, Any]:
        """Return it as a record keeps it; times since ``zero``."""
        return {
            "begun_s": round(self.begun - zero, 6),
            "wall_s": round(self.ended - self.begun, 6),
            "ttft_s": None if self.first is None else round(self.first, 6),
            "gaps_s": [round(gap, 6) for gap in self.gaps],
            "prompt_tokens": self.prompt,
            "cached_tokens": self.cached,
            "generated": self.generated,
            "counted_by": self.counted,
            "tokens_per_s": self.rate,
            "finish": self.finish,
            "complete": self.done,
            "timings": dict(self.timings) if self.timings else None,
            "error": self.failure or None,
        }


def read(found: Iterable[dict[str, Any] | None], answer: Answer, clock: Callable[[], float]) -> None:
    """Fill ``answer`` from the events of a stream. Raises ValueError with the server's words when it reports an error.

    Whatever has another form than it should have counts as absent.
    """
    for event in found:
        at = clock()
        if event is None:
            answer.done = True
            continue
        if event.get("error"):
            raise ValueError(words(event["error"]))
        _usage(event, answer)
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if isinstance(choice.get("finish_reason"), str):
            answer.finish = choice["finish_reason"]
            answer.done = True
        delta = choice.get("delta")
        parts = {**choice, **(delta if isinstance(delta, dict) else {})}
        if any(isinstance(parts.get(name), str) and parts[name] for name in _TEXTS):
            answer.chunks.append(at)
    if answer.counted == "chunks":
        answer.generated = len(answer.chunks)


def _usage(event: Mapping[str, Any], answer: Answer) -> None:
    timings, usage = event.get("timings"), event.get("usage")
    if isinstance(timings, dict):
        answer.timings = timings
        answer.cached = _count(timings.get("cache_n"))
        _take(answer, "timings", timings.get("predicted_n"), timings.get("prompt_n"))
        if answer.prompt is not None and answer.cached:
            answer.prompt += answer.cached
    if isinstance(usage, dict):
        _take(answer, "usage", usage.get("completion_tokens"), usage.get("prompt_tokens"))
        details = usage.get("prompt_tokens_details")
        if isinstance(details, dict):
            answer.cached = _count(details.get("cached_tokens"))


def _take(answer: Answer, who: str, generated: object, prompt: object) -> None:
    count = _count(generated)
    # Some servers send a usage of zeros with every part and the true one at the end.
    if count:
        answer.generated, answer.counted = count, who
    answer.prompt = _count(prompt) or answer.prompt


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def words(error: object) -> str:
    """Return what a server says in an ``error``, whatever form that has."""
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("error") or error.get("detail") or error
    return str(error)[:300]

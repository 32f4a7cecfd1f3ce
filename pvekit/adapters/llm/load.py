"""Several clients at once against one server, and prompts of a given length that no cache has seen."""

from __future__ import annotations

import math
import random
import statistics
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pvekit.adapters.llm import failures
from pvekit.adapters.llm.answer import Answer
from pvekit.adapters.llm.openai import Client, Server
from pvekit.model.errors import PvekitError

CHAT, PLAIN = "/v1/chat/completions", "/v1/completions"
GONE = (failures.ServerEnded, failures.NothingListens)
"""Errors after which no further request makes sense."""
_TEXT = (
    "water stone river house morning garden paper window mountain silver engine letter market bridge winter summer "
    "doctor village station picture answer question number follow carry listen remember travel return consider yellow "
    "simple narrow distant heavy gentle between under without before against through always never often perhaps"
)
_WORDS = tuple(_TEXT.split())
_TRIAL_WORDS = 200


@dataclass(frozen=True, slots=True)
class Size:
    """How much one request is: tokens of the prompt and of the answer."""

    prompt: int
    generate: int


@dataclass(frozen=True, slots=True)
class Speaker:
    """A server that has been spoken to once: how it wants to be asked, and how many tokens a word is there."""

    client: Client
    server: Server
    model: str
    path: str
    per_word: float
    overhead: float
    counts: bool

    def body(self, size: Size, seed: str) -> dict[str, Any]:
        """Return a request. The same seed gives the same prompt; different ones differ from the first word on."""
        words = max(1, round((size.prompt - self.overhead) / self.per_word))
        return _body(self.server, self.model, self.path, text(words, seed), size.generate)


def text(words: int, seed: str) -> str:
    """Return so many words."""
    draw = random.Random(seed)  # noqa: S311 - text to measure with
    return " ".join([f"{draw.randrange(10**6):06d}", *(draw.choice(_WORDS) for _ in range(words - 1))])


def meet(client: Client, *, model: str = "", wait: float = 600.0, seed: str = "0") -> Speaker:
    """Look at a server, warm it up with two short answers, and learn its tokens. Raises one of ``failures``."""
    server = client.look(wait)
    if not server.models and not model:
        raise failures.ModelMissing("the server has no model", status=0, where=client.where,
                                    hint="Load one there first.")  # fmt: skip
    name = model or server.models[0]
    if model and server.models and model not in server.models:
        raise failures.ModelMissing(f"the server does not have the model {model}", status=0, where=client.where,
                                    hint=f"It has: {', '.join(server.models)}.")  # fmt: skip
    path = CHAT
    try:
        short = client.ask(_body(server, name, path, text(10, f"{seed}-short"), 4), what="the warm-up", path=path)
    except failures.NotOpenAi:
        path = PLAIN
        short = client.ask(_body(server, name, path, text(10, f"{seed}-short"), 4), what="the warm-up", path=path)
    words, room = _TRIAL_WORDS, context_of(server)
    if room is not None and short.prompt:
        # A word is a tenth of the short prompt at most: the longer one is to fit as well.
        words = max(20, min(words, 5 * room // short.prompt))
    body = _body(server, name, path, text(words, f"{seed}-trial"), 4)
    longer = client.ask(body, what="the warm-up", path=path)
    if short.prompt and longer.prompt and longer.prompt > short.prompt:
        per_word = (longer.prompt - short.prompt) / (words - 10)
        return Speaker(client, server, name, path, per_word, max(0.0, short.prompt - 10 * per_word), counts=True)
    # It does not count the prompt; most tokenizers make a little more than one token of a plain word.
    return Speaker(client, server, name, path, 1.2, 10.0, counts=False)


def context_of(server: Server) -> int | None:
    """Return the tokens that one client has, where llama-server says so."""
    settings = server.props.get("default_generation_settings")
    value = settings.get("n_ctx") if isinstance(settings, dict) else None
    return value if isinstance(value, int) and value > 0 else None


def measure(
    speaker: Speaker, clients: int, size: Size, *, rounds: int, key: str, enough: float = math.inf
) -> dict[str, Any]:
    """Let so many clients ask at once, so many times, and return the data of an ``http`` record.

    No round begins once ``enough`` seconds went by: a slow server has fewer samples, at least those of one round.

    One request that fails is an entry of ``errors``. Raises what ended the server, or the first error when no request
    of a round succeeded.
    """
    zero = speaker.client.clock()
    asked: list[Answer] = []
    rates: list[float] = []
    walls: list[float] = []
    for number in range(rounds):
        answers = _round(speaker, clients, size, f"{key}-{number}")
        asked += answers
        good = [answer for answer in answers if not answer.failure]
        rate = throughput(good)
        rates += [rate] if rate is not None else []
        walls.append(max(answer.ended for answer in answers) - min(answer.begun for answer in answers))
        if sum(walls) >= enough:
            break
    good = [answer for answer in asked if not answer.failure]
    return {
        "clients": clients,
        "asked_prompt_tokens": size.prompt,
        "prompt_tokens": _middle([answer.prompt for answer in good]),
        "asked_tokens": size.generate,
        "generated": sum(answer.generated for answer in good),
        "ttft_s": [answer.first for answer in good if answer.first is not None],
        "gaps_s": [round(gap, 6) for answer in good for gap in answer.gaps],
        "tokens_per_s": statistics.median(rates) if rates else None,
        "samples": rates,
        "served_per_s": sum(answer.generated for answer in good) / sum(walls) if sum(walls) > 0 else None,
        "wall_s": sum(walls),
        "rounds": len(walls),
        "ignore_eos": speaker.server.ignores_end,
        "prompt_counted": speaker.counts,
        "errors": [answer.failure for answer in asked if answer.failure],
        "requests": [answer.plain(zero) for answer in asked],
    }


def throughput(answers: Sequence[Answer]) -> float | None:
    """Return tokens/s of all together, from the first token of the first to the last token of the last."""
    some = [answer for answer in answers if answer.chunks]
    if not some:
        return None
    span = max(answer.chunks[-1] for answer in some) - min(answer.chunks[0] for answer in some)
    after = sum(answer.generated for answer in some) - 1
    return after / span if span > 0 and after > 0 else None


def _round(speaker: Speaker, clients: int, size: Size, seed: str) -> list[Answer]:
    gate = threading.Barrier(clients)

    def one(index: int) -> Answer:
        body = speaker.body(size, f"{seed}-{index}")
        what = f"{clients} client{'s' if clients > 1 else ''} with {size.prompt} tokens"
        gate.wait()
        begun = speaker.client.clock()
        try:
            return speaker.client.ask(body, what=what, path=speaker.path)
        except GONE:
            raise
        except PvekitError as error:
            first.append(error)
            return Answer(begun, ended=speaker.client.clock(), failure=error.message)

    first: list[PvekitError] = []
    with ThreadPoolExecutor(max_workers=clients, thread_name_prefix="llm-client") as pool:
        answers = [future.result() for future in [pool.submit(one, index) for index in range(clients)]]
    if all(answer.failure for answer in answers):
        raise first[0]
    return answers


def _body(server: Server, model: str, path: str, prompt: str, generate: int) -> dict[str, Any]:
    asked: Mapping[str, Any] = {"messages": [{"role": "user", "content": prompt}]} if path == CHAT else {
        "prompt": prompt
    }  # fmt: skip
    own: dict[str, Any] = {"ignore_eos": True} if server.ignores_end else {}
    if server.kind == "llama-server":
        own |= {"cache_prompt": False, "timings_per_token": False}
    return {"model": model, "max_tokens": generate, "temperature": 0.0, "seed": 1, **own, **asked}


def _middle(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known)) if known else None

"""An HTTP client for any server with OpenAI's API: llama-server, ollama, vLLM and others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from pvekit.adapters.llm import answer as answers
from pvekit.adapters.llm import failures, sse
from pvekit.adapters.llm.answer import Answer
from pvekit.adapters.secrets import MASK, Secret
from pvekit.model.errors import PvekitError

_CONNECT, _SHORT = 10.0, 20.0
_KEY_HINT = "Give the key: --key env:NAME, with the key in the variable NAME."


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself. ``kind`` is llama-server, vllm, ollama or unknown; ``props`` of llama-server."""

    kind: str
    models: tuple[str, ...]
    props: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ignores_end(self) -> bool:
        """Return whether it takes ``ignore_eos``, so that all answers have the same length."""
        return self.kind in ("llama-server", "vllm")


@dataclass(frozen=True)
class Client:
    """A server at ``base`` (``http://host:8080`` or ``.../v1``). Safe to use from several threads.

    ``seconds`` bounds the silence before and between the parts of an answer. ``where`` replaces the address in
    messages, for a server behind a forwarded port.
    """

    base: str
    key: Secret | None = None
    seconds: float = 900.0
    where: str = ""
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Refuse an address that is none, or that carries a password."""
        try:
            parts = urlsplit(self.base)
            fine, secret = parts.scheme in ("http", "https") and bool(parts.hostname), "@" in parts.netloc
            _ = parts.port
        except ValueError:
            fine, secret = False, False
        if secret:
            raise PvekitError("an address must not carry a password", where="--url", hint=_KEY_HINT)
        if not fine:
            raise PvekitError(f"{self.base!r} is no address of a server", where="--url",
                              hint="Write it as http://host:8080 or https://host/v1.")  # fmt: skip
        root = self.base.rstrip("/").removesuffix("/v1")
        object.__setattr__(self, "base", root)
        object.__setattr__(self, "where", self.where or root)

    def look(self, wait: float = 600.0) -> Server:
        """Return what the server is; wait while it loads its model. Raises one of ``failures``."""
        self._loaded(wait)
        response = self._get("/v1/models")
        listed = _json(response)
        rows = listed.get("data") if isinstance(listed, dict) else None
        if response.status_code != 200 or not isinstance(rows, list):
            raise failures.NotOpenAi(
                f"what listens there is no server with OpenAI's API: /v1/models gives {response.status_code}",
                where=self.where, hint="Is the address right? pvekit adds /v1 itself.",
            )  # fmt: skip
        rows = [row for row in rows if isinstance(row, dict)]
        owners = {str(row.get("owned_by", "")) for row in rows}
        props = self._extra("/props")
        kind = "llama-server" if "llamacpp" in owners or "total_slots" in props else "vllm" if "vllm" in owners else (
            "ollama" if "library" in owners else "unknown"
        )  # fmt: skip
        return Server(kind, tuple(str(row["id"]) for row in rows if row.get("id")), props)

    def metrics(self) -> str:
        """Return llama-server's own counters, empty where it shows none."""
        response = self._try_get("/metrics")
        return response.text if response is not None and response.status_code == 200 else ""

    def ask(self, body: Mapping[str, Any], *, what: str = "an answer", path: str = "/v1/chat/completions") -> Answer:
        """Send one request with ``stream`` and return its answer. Raises one of ``failures``; ``what`` names the work.

        A stream that breaks off is an error too: half an answer is no measurement.
        """
        usage = {"stream": True, "stream_options": {"include_usage": True}}
        with self._session() as session:
            found = Answer(self.clock())
            try:
                with session.post(
                    self.base + path, json={**body, **usage}, stream=True, timeout=(_CONNECT, self.seconds),
                    allow_redirects=False,
                ) as response:  # fmt: skip
                    self._refuse(response, str(body.get("model", "")))
                    answers.read(sse.events(_pieces(response)), found, self.clock)
            except requests.RequestException as error:
                raise self._broken(error, what) from None
            except ValueError as error:
                raise failures.Refused(f"the server reports an error during {what}: {self._clean(str(error))}",
                                       where=self.where, hint="Its log says more.") from None  # fmt: skip
            found.ended = self.clock()
        if not found.done:
            if not found.chunks:
                raise failures.NotOpenAi("its answer is no stream of OpenAI's API", where=self.where,
                                         hint="Is it another service? pvekit asks with \"stream\": true.")  # fmt: skip
            if not self.listens():
                raise self._ended(what)
            # Some servers leave out both [DONE] and the reason; then the answer is what came.
            found.finish = None
        return found

    def listens(self) -> bool:
        """Return whether the server answers at all."""
        return self._try_get("/v1/models") is not None

    def _loaded(self, wait: float) -> None:
        end = self.clock() + wait
        while True:
            response = self._get("/health")
            if response.status_code != 503:
                return
            if self.clock() >= end:
                raise failures.StillLoading(
                    f"the server still loads its model after {wait:.0f} s: {self._said(response)}",
                    where=self.where, hint="Wait longer, and look at its log.",
                )  # fmt: skip
            self.sleep(0.5)

    def _extra(self, path: str) -> Mapping[str, Any]:
        response = self._try_get(path)
        found = _json(response) if response is not None and response.status_code == 200 else None
        return found if isinstance(found, dict) else {}

    def _try_get(self, path: str) -> requests.Response | None:
        try:
            return self._get(path)
        except PvekitError:
            return None

    def _get(self, path: str) -> requests.Response:
        try:
            with self._session() as session:
                response = session.get(self.base + path, timeout=(_CONNECT, _SHORT), allow_redirects=False)
        except requests.RequestException as error:
            raise self._broken(error, "the first look") from None
        if response.status_code in (401, 403):
            self._refuse(response, "")
        return response

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """Give a session of its own: no proxy, no .netrc, certificates checked; the key in the header only."""
        with requests.Session() as session:
            session.trust_env = False
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
            session.headers.update({"Accept-Encoding": "identity", "User-Agent": "pvekit"})
            if self.key is not None:
                session.headers["Authorization"] = f"Bearer {self.key.reveal()}"
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=0))
            yield session

    def _refuse(self, response: requests.Response, model: str) -> None:
        """Raise what an answer that is no success means."""
        code = response.status_code
        if code == 200:
            return
        said = self._said(response)
        if code in (401, 403):
            why = "does not accept the key" if self.key is not None else "wants a key"
            raise failures.KeyRefused(f"the server {why} ({code})", where=self.where, hint=_KEY_HINT)
        if code == 503:
            raise failures.StillLoading(f"the server is not ready: {said}", where=self.where, hint="Try again later.")
        if code in (404, 400) and "model" in said.lower() and model:
            raise failures.ModelMissing(f"the server does not have the model {model}: {said}", status=code,
                                        where=self.where, hint="See what it has: /v1/models.")  # fmt: skip
        if code in (404, 405, 501) or 300 <= code < 400:
            raise failures.NotOpenAi(f"it has no such part of OpenAI's API ({code}): {said}", where=self.where,
                                     hint="Is the address right? pvekit adds /v1 itself.")  # fmt: skip
        raise failures.Refused(f"the server refuses the request ({code}): {said}", where=self.where,
                               hint="Its log says more.")  # fmt: skip

    def _broken(self, error: requests.RequestException, what: str) -> PvekitError:
        if isinstance(error, requests.exceptions.SSLError):
            return failures.Untrusted("its certificate is not trusted, or it speaks no TLS", where=self.where,
                                      hint="Name the file of its authority in REQUESTS_CA_BUNDLE.")  # fmt: skip
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return failures.NothingListens("no connection in time", where=self.where, hint="Is a firewall between?")
        if isinstance(error, requests.exceptions.ReadTimeout) or "timed out" in str(error):
            return failures.TooSlow(f"no answer within {self.seconds:.0f} s during {what}", where=self.where,
                                    hint="It may be overloaded.")  # fmt: skip
        if "NewConnectionError" in repr(error) or "NameResolution" in repr(error):
            return failures.NothingListens("nothing listens there", where=self.where,
                                           hint="Does the server run, and is the address right?")  # fmt: skip
        return self._ended(what)

    def _ended(self, what: str) -> PvekitError:
        return failures.ServerEnded(f"the server ended during {what}", where=self.where,
                                    hint="Its log says why; then go on with --resume.")  # fmt: skip

    def _said(self, response: requests.Response) -> str:
        try:
            found = _json(response)
            text = answers.words(found.get("error") or found) if isinstance(found, dict) else response.text[:200]
        except requests.RequestException:
            text = ""
        return self._clean(" ".join(text.split())) or "no words"

    def _clean(self, text: str) -> str:
        """Return a server's words without the key, which some servers repeat."""
        return text.replace(self.key.reveal(), MASK) if self.key is not None else text


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield what came as soon as it came; errors of the connection as of requests."""
    from urllib3.exceptions import HTTPError

    if getattr(response.raw, "chunked", False):
        yield from response.iter_content(chunk_size=None)
        return
    try:
        # Without chunks, iter_content would wait for the end.
        while piece := response.raw.read1(65536):
            yield piece
    except HTTPError as error:
        raise requests.ConnectionError(str(error)) from None

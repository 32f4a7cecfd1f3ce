"""A cluster that is listened to while it is read, and one that answers out of such a recording."""

from __future__ import annotations

import copy
import ssl
import threading
from collections.abc import Mapping
from typing import Any, Self

from pvekit.adapters.pve.auth import Token
from pvekit.adapters.pve.client import Endpoint, Pve
from pvekit.adapters.pve.errors import answer_error
from pvekit.adapters.pve.session import plain
from pvekit.model.errors import ApiError, PvekitError
from pvekit.model.recording import Recording, Refusal, question


class NotRecorded(PvekitError):
    """A question was asked that the recording has no answer to, or something was to be changed."""


class Recorder(Pve):
    """Asks a cluster and keeps the answers to everything that was read. It is opened like any other."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """Use ``open``."""
        super().__init__(*given, **named)
        self._hold = threading.Lock()
        self.answers: dict[str, Any] = {}
        self.refused: dict[str, Refusal] = {}

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, *, repeatable: bool = False
    ) -> Any:
        """Send one request and keep its answer if it is a read."""
        if method != "GET":
            return super().request(method, path, params, repeatable=repeatable)
        asked = _asked(path, params)
        try:
            answer = super().request(method, path, params)
        except ApiError as error:
            with self._hold:
                self.refused[asked] = Refusal(error.status, error.message)
            raise
        with self._hold:
            self.answers[asked] = copy.deepcopy(answer)
        return answer


class Replay(Pve):
    """Answers reads out of a recording. Nothing is ever sent anywhere."""

    _recording: Recording
    _where: str

    @classmethod
    def of(cls, recording: Recording, where: str) -> Self:
        """Return a cluster that answers out of a recording; ``where`` names it in errors."""
        made = cls.open(Endpoint(("https://recorded.invalid",), token=Token("recorded@pve!none", "")))
        made.take(recording, where)
        return made

    def take(self, recording: Recording, where: str) -> None:
        """Answer out of this recording from now on."""
        self._recording, self._where = recording, where

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, *, repeatable: bool = False
    ) -> Any:
        """Return the recorded answer. Raises NotRecorded, or the error that the server answered with."""
        _ = repeatable
        asked = _asked(path, params)
        if method != "GET":
            raise NotRecorded(f"a recording can only be read, not {method} {asked}", where=self._where)
        refused = self._recording.refused.get(asked)
        if refused is not None:
            raise answer_error(refused.status, refused.message, None, f"{method} {path}")
        if asked not in self._recording.answers:
            raise NotRecorded(
                f"the recording has no answer to GET {asked}",
                where=self._where,
                hint="Record again with this stack file: pvekit record STACK -o FILE",
            )
        return copy.deepcopy(self._recording.answers[asked])

    def with_ticket(self) -> Pve:
        """Return itself: nobody logs in to a recording."""
        return self

    def dial(self) -> tuple[ssl.SSLSocket, str, int, Mapping[str, str]]:
        """Raise NotRecorded: a recording has no consoles."""
        raise NotRecorded("a recording has no consoles", where=self._where)


def _asked(path: str, params: Mapping[str, Any] | None) -> str:
    return question(path, {key: plain(value) for key, value in (params or {}).items() if value is not None})

"""Is a request one that PVE's API schema allows? Collects what was sent and validates it against fakepve's schema.

sent = SentRequests()
pve = Pve.open(endpoint, on_request=sent)
...
sent.check()          # AssertionError that lists every request the schema refuses
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from fakepve import schema as _fake


class _Match(Protocol):
    template: str
    params: dict[str, str]
    methods: dict[str, dict[str, Any]]


def violations(method: str, path: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Return what the schema says against a request: parameter (or ``""`` for the path) to reason; empty if valid."""
    # A volume id holds a slash and is still one path parameter (PVE::API2::Storage::Content has no delimiter).
    whole = re.sub(r"(?<=/content/).+", lambda found: found[0].replace("/", "%2F"), path)
    match = cast("_Match | None", _fake.load().match(whole))
    if match is None:
        return {"": f"no such path: {path}"}
    if method not in match.methods:
        return {"": f"no {method} on {match.template}"}
    values = {key: value if isinstance(value, list | int) else str(value) for key, value in params.items()}
    _, errors = _fake.validate(match.methods[method].get("parameters"), {**values, **match.params})
    return cast("dict[str, str]", errors)


class SentRequests:
    """An ``on_request`` hook that keeps every request. Safe for many threads."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def __call__(self, method: str, path: str, params: Mapping[str, Any]) -> None:
        with self._lock:
            self.all.append((method, path, dict(params)))

    def count(self, method: str | None = None, containing: str = "") -> int:
        """Return how many requests were sent with this method and with this text in the path."""
        return sum(1 for verb, path, _ in self.all if (method is None or verb == method) and containing in path)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Return method and path of everything that was no GET."""
        return [(method, path) for method, path, _ in self.all if method != "GET"]

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how often each (method, path) was sent."""
        return Counter((method, path) for method, path, _ in self.all)

    def check(self) -> None:
        """Fail if the schema refuses any of them."""
        wrong = [
            f"{method} {path}: {name or 'path'}: {why}"
            for method, path, params in self.all
            for name, why in violations(method, path, params).items()
        ]
        assert not wrong, "\n".join(sorted(set(wrong)))

    def save(self, target: Path) -> None:
        """Write them as JSON lines, to look at."""
        target.write_text("".join(json.dumps([*one], default=str) + "\n" for one in self.all), encoding="utf-8")

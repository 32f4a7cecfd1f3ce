"""Taking out of a text what tells whose machine it is. Every text of a page goes through here once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from pvekit.model.redact import redact

_KEPT = frozenset((
    "", "local", "localhost", "this machine", "this", "none", "llama", "ollama", "vllm", "llm", "bench", "server",
    "gpu", "cpu", "vm", "model", "pvekit", "pve", "guest", "host",
))  # fmt: skip
"""Names that tell of nobody, and would take parts out of other words."""
_LOOPBACK = "127.0.0.1 0.0.0.0 ::1 localhost"
_HOMES = re.compile(r"/home/[^/\s:'\"]+|(?<![\w/])/root(?=/|$)")
_USERINFO = re.compile(r"(?<=://)[^\s/@]+@")
_SECRET = re.compile(
    r"(?i)((?:api[-_]?key|token|password|secret|bearer)\s*[=: ]\s*)(?!env:|file:|cmd:)['\"]?[^\s'\",;]{6,}"
    r"|\bsk-[\w-]{8,}"
)
_QUALIFIED = re.compile(r"(\w*[g-zG-Z_]\w*(?:::~?\w+)+|\w+(?:::\w+)*::~?\w*[g-zG-Z_]\w*)")
"""Names of C++, such as std::bad_alloc, which an address of IPv6 may look like."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
"""Nothing to see, or what turns the direction of writing; XML and UTF-8 refuse some."""


def clean(text: str) -> str:
    """Return the text with a replacement mark for every character that cannot be shown."""
    return _HIDDEN.sub("\ufffd", text)


def names_in(target: str) -> tuple[str, ...]:
    """Return the host names in a target: a name, ``user@host:port`` or an address of the web."""
    if "://" in target:
        try:
            host = urlsplit(target).hostname or ""
        except ValueError:
            return ()
    else:
        host = target.rpartition("@")[2].partition(":")[0].partition("/")[0]
    if host.casefold() in _KEPT or host.replace(".", "").isdigit():
        return ()
    first = host.partition(".")[0]
    return tuple(dict.fromkeys(name for name in (host, first) if len(name) > 1))


class Scrub:
    """Replaces names of machines by ``host-1``, ``host-2`` in the order they are given, always alike."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names of hosts that may stand anywhere in the texts."""
        known: dict[str, str] = {}
        numbers: dict[str, str] = {}
        for name in names:
            key = name.casefold()
            first = key.partition(".")[0]
            if first in _KEPT or len(first) < 2 or key.replace(".", "").isdigit():
                continue
            known[key] = known[first] = numbers.setdefault(first, f"host-{len(numbers) + 1}")
        self._names = known
        longest = sorted(known, key=lambda name: (-len(name), name))
        either = "|".join(re.escape(name) for name in longest)
        self._pattern = re.compile(rf"(?<![^\W_])(?:{either})(?![^\W_])", re.IGNORECASE) if either else None

    def __call__(self, text: str) -> str:
        """Return the text without names, addresses, home folders and keys."""
        text = self.plain(text)
        text = _SECRET.sub(lambda found: f"{found[1] or ''}***", text)
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: self._names[found[0].casefold()], text)
        return text

    def plain(self, text: str) -> str:
        """Return a name of a model or of a part of the machine: those are no hosts, but may hold an address."""
        text = _HOMES.sub("~", _USERINFO.sub("***@", clean(text)))
        parts = _QUALIFIED.split(text)
        return "".join(
            part if at % 2 else str(redact({"text": part}, keep=_LOOPBACK)["text"]) for at, part in enumerate(parts)
        )

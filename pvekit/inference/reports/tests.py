"""The names llama-bench gives its tests."""

from __future__ import annotations

import re

_TEST = re.compile(r"(?:pp\s?(\d{1,7}))?\s*\+?\s*(?:tg\s?(\d{1,7}))?(?:\s*@\s*d\s?(\d{1,7}))?\s*$", re.IGNORECASE)


def parts(name: str) -> tuple[tuple[str, int, int], ...]:
    """Return phase, tokens and depth of ``pp512``, ``tg128`` and ``tg128 @ d4096``; a mixture of both is neither."""
    match = _TEST.match(name.strip())
    if match is None or not (match.group(1) or match.group(2)) or (match.group(1) and match.group(2)):
        return ()
    depth = int(match.group(3) or 0)
    if match.group(1):
        return (("prefill", int(match.group(1)), depth),)
    return (("decode", int(match.group(2)), depth),)

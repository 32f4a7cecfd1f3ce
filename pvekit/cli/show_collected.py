"""What was collected from a host, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def text(path: Path, count: int, left_out: Mapping[str, str], *, redacted: bool) -> str:
    """Return where the bundle is, whether it can be passed on, and what is not in it."""
    lines = [f"{path}: {count} files{', redacted' if redacted else ''}"]
    reasons: dict[str, list[str]] = {}
    for name, why in sorted(left_out.items()):
        reasons.setdefault(why, []).append(name)
    lines += [f"  without {', '.join(names)}: {why}" for why, names in sorted(reasons.items())]
    if not redacted:
        lines.append("It holds names, addresses and serial numbers of the host: look at it before you pass it on.")
    return "\n".join(lines)

"""How a program of llama.cpp ended, in words, and which of its lines say something."""

from __future__ import annotations


def ended(code: int) -> str:
    """Return what an exit code, or the signal in it, means."""
    if code == 127:
        return "is not installed"
    if code in (132, -4):
        return "used an instruction that the processor does not have"
    if code in (137, -9):
        return "was killed, as it happens when memory runs out"
    return f"ended with {code}" if code else "measured nothing"


def loud(stderr: str) -> list[str]:
    """Return the lines without those on folders of backends that are not there."""
    return [line for line in stderr.splitlines() if line.strip() and "failed to enumerate" not in line]

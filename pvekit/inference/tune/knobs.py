"""The settings that are tried, and how llama-bench and llama-server write them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Knobs:
    """One choice of settings; None leaves one to llama.cpp.

    ``threads`` decode, ``threads_batch`` work on prompts (None: the same number). ``load`` is ``none`` for a model
    that is read into memory instead of mapped. ``poll`` is how much threads wait by spinning, 0 to 100.
    """

    threads: int | None = None
    threads_batch: int | None = None
    batch: int | None = None
    ubatch: int | None = None
    flash_attention: bool | None = None
    type_k: str | None = None
    type_v: str | None = None
    gpu_layers: int | None = None
    numa: str | None = None
    load: str | None = None
    poll: int | None = None

    def __str__(self) -> str:
        """Return what differs from the defaults, in words."""
        said = [f"{field.name.replace('_', ' ')} {_word(value)}" for field in fields(self)
                if (value := getattr(self, field.name)) is not None]  # fmt: skip
        return ", ".join(said) or "llama.cpp's defaults"

    def threads_of(self, phase: str) -> int | None:
        """Return the threads that work in a phase, ``decode`` or ``prefill``."""
        return self.threads_batch if phase == "prefill" and self.threads_batch is not None else self.threads

    def bench(self, phase: str, *, load_mode: bool = True, words: bool = True) -> tuple[str, ...]:
        """Return llama-bench's arguments for a phase; the two switches are those of its dialect."""
        found = [
            *_pair("-t", self.threads_of(phase)),
            *self._shared("1" if not words else "on", "0" if not words else "off"),
        ]
        if self.load is not None:
            found += ["-lm", self.load] if load_mode else ["-mmp", "0" if self.load == "none" else "1"]
        return tuple(found)

    def server(self, *, load_mode: bool = True) -> tuple[str, ...]:
        """Return llama-server's arguments."""
        found = [*_pair("--threads", self.threads), *_pair("--threads-batch", self.threads_batch)]
        found += self._shared("on", "off")
        if self.load is not None:
            found += ["--load-mode", self.load] if load_mode else ["--no-mmap"] if self.load == "none" else []
        return tuple(found)

    def line(self) -> str:
        """Return llama-server's arguments as one line for a shell."""
        return shlex.join(self.server())

    def _shared(self, on: str, off: str) -> list[str]:
        flash = None if self.flash_attention is None else on if self.flash_attention else off
        rows = (("-b", self.batch), ("-ub", self.ubatch), ("-fa", flash), ("-ctk", self.type_k), ("-ctv", self.type_v),
                ("-ngl", self.gpu_layers), ("--numa", self.numa), ("--poll", self.poll))  # fmt: skip
        return [part for name, value in rows for part in _pair(name, value)]


DEFAULTS = Knobs()
"""What llama.cpp does when nobody says anything."""


def _pair(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _word(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)

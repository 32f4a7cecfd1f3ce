"""Runs the host's program in a process of its own that is killed before its Nth step on the disk.

A power cut loses what was not brought onto the disk: of what was written and not synced, half is cut away. The disk
itself is not waited for.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pvekit.adapters.data import data_dir

PROGRAM = data_dir("templates") / "host" / "passthrough.py"
_STEPS = ("mkdir", "rename", "unlink", "rmdir", "open", "write", "fsync", "ftruncate", "fchmod", "fchown", "utime")


def load() -> ModuleType:
    """Return the program as a module."""
    spec = importlib.util.spec_from_file_location("pvekit_passthrough_host", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOST = load()


def run(root: Path, *arguments: str, stdin: object = None, kill: int = 0, steps: Path | None = None) -> dict[str, Any]:
    """Run a verb and return its answer; {} when it was killed. ``steps`` is a file for the number of steps."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _child(root, arguments, stdin, kill, steps, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        assert os.WTERMSIG(ended) == signal.SIGKILL
        return {}
    answer: dict[str, Any] = json.loads(said)
    return answer


def _child(
    root: Path, arguments: tuple[str, ...], stdin: object, kill: int, steps: Path | None, writing: int
) -> None:  # fmt: skip
    code = 1
    try:
        power = _Power(kill)
        power.install()
        sys.stdin = io.StringIO(json.dumps(stdin))
        sys.stderr = io.StringIO()
        sys.stdout = io.StringIO()
        code = HOST.main(["--root", str(root), *arguments])
        if steps is not None:
            steps.write_text(str(power.count))
        with os.fdopen(writing, "w") as pipe:
            pipe.write(sys.stdout.getvalue())
    finally:
        os._exit(code)


class _Power:
    """Counts steps on the disk and cuts the power before one of them."""

    def __init__(self, kill: int) -> None:
        self.count = 0
        self.kill = kill
        self.names: dict[int, str] = {}
        self.dirty: dict[str, int] = {}

    def install(self) -> None:
        for name in _STEPS:
            setattr(os, name, self.counted(name, getattr(os, name)))
        real = subprocess.run

        def command(argv: list[str], **keywords: Any) -> Any:
            self.step()
            self.count += 1
            if self.count == self.kill:
                # The power goes while the command is at work.
                keywords["env"] = {**keywords["env"], "PVEKIT_HALF": "1"}
                real(argv, **keywords)
                self.cut()
            done = real(argv, **keywords)
            self.step()
            return done

        subprocess.run = command  # type: ignore[assignment]

    def counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            self.step()
            if name == "fsync":
                self.dirty.pop(self.names.get(arguments[0], ""), None)
                return None
            if name == "write" and arguments[0] in self.names:
                self.dirty.setdefault(self.names[arguments[0]], os.fstat(arguments[0]).st_size)
            elif name == "rename" and str(arguments[0]) in self.dirty:
                raise AssertionError(f"renamed before it was on the disk: {arguments[0]}")
            result = real(*arguments, **keywords)
            if name == "open":
                self.names[result] = str(arguments[0])
            return result

        return wrapped

    def step(self) -> None:
        self.count += 1
        if self.count == self.kill:
            self.cut()

    def cut(self) -> None:
        for name, safe in self.dirty.items():
            path = Path(name)
            if path.exists():
                os.truncate(path, safe + (path.stat().st_size - safe) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


def copy(source: Path, target: Path) -> Path:
    """Return a copy of a tree, times and modes kept."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    return target

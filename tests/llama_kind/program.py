"""The program of templates/llama, which is no package of this machine, with a folder as its root."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pvekit.adapters.data import data_dir

FOLDER = data_dir("templates") / "llama"
SETTINGS: Mapping[str, Any] = {
    "name": "tiny", "context": 512, "slots": 1, "threads": 1, "gpu_layers": None, "host": "127.0.0.1", "port": 8080,
    "idle_unload": None, "metrics": True, "args": [], "gpus": 0, "install": {"how": "package"},
}  # fmt: skip


@contextmanager
def importable() -> Iterator[None]:
    sys.path.insert(0, str(FOLDER / "lib"))
    try:
        yield
    finally:
        sys.path.remove(str(FOLDER / "lib"))


def module(name: str) -> ModuleType:
    with importable():
        return importlib.import_module(f"pvekit_llama.{name}")


def config(**changes: Any) -> Any:
    """Return the settings of a server; the model is ``changes["model"]``."""
    model = {"url": "https://models.example/a.gguf", "sha256": "ab" * 32, "size": 1000}
    return module("config").Config({**SETTINGS, "model": model, **changes})

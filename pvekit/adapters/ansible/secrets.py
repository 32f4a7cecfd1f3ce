"""Variables for a playbook that are never in a file, an environment or a command line: they go through a pipe.

See docs/adr for why, and what else was looked at.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


class Redactor:
    """Strikes secret values out of texts. Very short values would strike out half of every message: they stay."""

    _SHORTEST = 4

    def __init__(self, secrets: object) -> None:
        """Take the secrets as any nesting of mappings and lists."""
        found = {part for text in _strings(secrets) for part in (text, text.strip()) if len(part) >= self._SHORTEST}
        # The longest first: a secret may be part of another one.
        self._values = sorted(found, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return ``text`` with every secret replaced by stars."""
        for value in self._values:
            text = text.replace(value, "****")
        return text

    def __repr__(self) -> str:
        """Say how many, never which."""
        return f"Redactor({len(self._values)} values)"


class _Unsafe(str):
    """Text that Ansible must not read as a template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes ``_Unsafe`` with the tag that Ansible knows."""


def _represent_unsafe(dumper: yaml.SafeDumper, value: _Unsafe) -> yaml.ScalarNode:
    return dumper.represent_scalar("!unsafe", str(value), style='"')


_Dumper.add_representer(_Unsafe, _represent_unsafe)


@contextlib.contextmanager
def variables_pipe(folder: Path, extra_vars: Mapping[str, Any], secrets: Mapping[str, Any]) -> Iterator[Path]:
    """Give the path of a named pipe in ``folder`` that yields both as YAML, to its first reader and to no other.

    Secrets are tagged ``!unsafe``: a password with two braces in it stays a password.
    """
    # Never empty: Ansible loads empty extra variables a second time, and would wait for a second writer for ever.
    document: dict[str, Any] = {"pvekit_managed": True} | dict(extra_vars)
    document |= {name: _unsafe(value) for name, value in secrets.items()}
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False)
    path = folder / "vars.yml"
    os.mkfifo(path, 0o600)
    over = threading.Event()
    thread = threading.Thread(target=_serve, args=(path, text.encode(), over), name="ansible-variables")
    thread.start()
    try:
        yield path
    finally:
        over.set()
        thread.join()


def _serve(path: Path, content: bytes, over: threading.Event) -> None:
    """Write ``content`` once somebody opens the pipe for reading; give up when ``over`` is set."""
    while not over.is_set():
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            # ENXIO: nobody reads yet. A blocking open could not be called off when Ansible fails to start.
            over.wait(0.02)
            continue
        os.set_blocking(handle, True)
        with os.fdopen(handle, "wb") as pipe, contextlib.suppress(BrokenPipeError):
            pipe.write(content)
        return


def _unsafe(value: object) -> object:
    """Mark every text inside ``value``."""
    if isinstance(value, str):
        return _Unsafe(value)
    if isinstance(value, Mapping):
        return {key: _unsafe(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_unsafe(each) for each in value]
    return value


def _strings(value: object) -> Iterator[str]:
    """Give every text inside ``value``."""
    if isinstance(value, str):
        yield value
        # A message may quote the secret line by line.
        if "\n" in value:
            yield from value.splitlines()
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)

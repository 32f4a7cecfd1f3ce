"""Fetches secrets from where the stack file says they are. Their text never reaches a log or an exception."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pvekit.model.errors import SecretUnavailable
from pvekit.model.stack import SecretRef
from pvekit.model.stack.files import reason

CMD_TIMEOUT_S = 60.0
_LIMIT_BYTES = 64 * 1024
_KEPT_BYTES = 24
MASK: Final = "********"


class Secret:
    """A secret text. Only ``reveal`` shows it; printing, formatting, pickling and comparing do not."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, to be handed to whoever needs it and kept nowhere."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        """Return a mask."""
        return MASK

    def __format__(self, _spec: str) -> str:
        return MASK

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret cannot be copied to disk")


def resolve(ref: SecretRef, *, folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Secret:
    """Return the secret that ``ref`` names. SecretUnavailable says why there is none.

    ``folder`` is where relative ``file:`` paths start (the stack file's), ``environ`` replaces ``os.environ``.
    One line end is cut off. ``cmd:`` runs without a shell, with the terminal for questions, for at most 60 s.
    """
    if ref.kind == "env":
        text = _from_env(ref, os.environ if environ is None else environ)
    elif ref.kind == "file":
        text = _from_file(ref, folder or Path.cwd())
    elif ref.kind == "cmd":
        text = _from_command(ref, folder)
    else:
        raise SecretUnavailable(f"{ref.kind!r} is not a kind of secret", hint="Known: env:, file: and cmd:.")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretUnavailable(f"{ref} is empty", hint="Fill it, or correct the reference.")
    if "\n" in text or "\0" in text:
        raise SecretUnavailable(f"{ref} is more than one line", hint="A token secret or password is one line.")
    return Secret(text)


def kept(path: Path) -> Secret:
    """Return the secret in ``path``, made at random when it is not there yet. Raises SecretUnavailable."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part.")
            with os.fdopen(handle, "w") as part:
                part.write(secrets.token_hex(_KEPT_BYTES) + "\n")
            # Whoever comes second keeps the first one's.
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(name)
            Path(name).unlink()
    except OSError as error:
        hint = "Is there room, and is the folder yours?"
        raise SecretUnavailable(f"cannot keep a secret in {path}: {reason(error)}", hint=hint) from None
    return resolve(SecretRef("file", str(path)))


def _from_env(ref: SecretRef, environ: Mapping[str, str]) -> str:
    if ref.value not in environ:
        raise SecretUnavailable(
            f"the environment variable {ref.value} is not set",
            hint=f"Set it without leaving a trace: read -rs {ref.value} && export {ref.value}",
        )
    return environ[ref.value]


def _from_file(ref: SecretRef, folder: Path) -> str:
    try:
        path = folder / Path(ref.value).expanduser()
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SecretUnavailable(
                    f"{path} can be used by others (mode {stat.S_IMODE(mode):04o})",
                    hint=f"Run: chmod 600 {shlex.quote(str(path))}",
                )
            data = file.read(_LIMIT_BYTES)
        return data.decode()
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{ref} is not UTF-8 text", hint="Store the secret as one line of text.") from None
    except (OSError, RuntimeError) as error:
        why = reason(error) if isinstance(error, OSError) else "the home folder is not known"
        raise SecretUnavailable(f"cannot read {ref}: {why}", hint="Check the path.") from None


def _from_command(ref: SecretRef, folder: Path | None) -> str:
    try:
        argv = shlex.split(ref.value)
    except ValueError as error:
        raise SecretUnavailable(f"cannot read {ref}: {error}", hint="Check its quotes.") from None
    try:
        # stderr stays the terminal's: pass, op and others ask there. stdout is never shown, not even on failure.
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=False, timeout=CMD_TIMEOUT_S, cwd=folder)
    except subprocess.TimeoutExpired:
        raise SecretUnavailable(
            f"{argv[0]} did not answer within {CMD_TIMEOUT_S:.0f} s", hint="Unlock the password store first."
        ) from None
    except OSError as error:
        raise SecretUnavailable(
            f"cannot run {argv[0]}: {reason(error)}", hint="Install it, or correct the reference."
        ) from None
    if done.returncode:
        raise SecretUnavailable(
            f"{argv[0]} ended with status {done.returncode}",
            hint="Run the command of the reference by hand to see why.",
        )
    try:
        return done.stdout.decode()
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{ref} gave no UTF-8 text", hint="It must print the secret as one line.") from None

"""Commands on a machine, whether it is this one or one behind SSH."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pvekit.adapters.ssh import Completed, Session
from pvekit.model.errors import GuestNotReady, PvekitError


class Runner(Protocol):
    """Something that runs commands. ``where`` names the machine in messages."""

    @property
    def where(self) -> str:
        """Return the machine's name."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run ``argv`` and wait at most ``timeout`` seconds; ``environment`` is added to what is there.

        A command that is not there ends with 127, as in a shell. Raises GuestNotReady when the time is over or the
        machine is gone.
        """


@dataclass(frozen=True, slots=True)
class Local:
    """This machine. ``environment`` goes to every command."""

    environment: Mapping[str, str] = field(default_factory=dict)
    where: str = "this machine"

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a command here."""
        variables = {**os.environ, **self.environment, **(environment or {})}
        try:
            done = subprocess.run(argv, check=False, capture_output=True, input=stdin, timeout=timeout, env=variables)
        except FileNotFoundError:
            return Completed(127, "", f"{argv[0]}: command not found")
        except PermissionError as error:
            return Completed(126, "", f"{argv[0]}: {error.strerror}")
        except subprocess.TimeoutExpired as error:
            raise GuestNotReady(
                f"{argv[0]} did not end within {timeout:.0f} s", where=self.where, hint="The machine may be overloaded."
            ) from error
        except OSError as error:
            raise PvekitError(f"{argv[0]} cannot be started: {error.strerror}", where=self.where) from error
        return Completed(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Remote:
    """A machine behind an open SSH session."""

    session: Session
    where: str

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a command there. ``environment`` shows in the process list: nothing secret belongs in it."""
        return self.session.run(with_settings(argv, environment), timeout=timeout, stdin=stdin)


def with_settings(argv: Sequence[str], environment: Mapping[str, str] | None) -> list[str]:
    """Return a command that sets variables for itself, for a shell elsewhere that takes none."""
    settings = [f"{key}={value}" for key, value in (environment or {}).items()]
    return ["env", *settings, *argv] if settings else list(argv)

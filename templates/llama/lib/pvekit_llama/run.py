"""Runs other programs. A failure is an exception with a reason and the next step; no secret is ever in it."""

import os
import subprocess


class Failed(Exception):
    """Something could not be done; the text says what, why, and what to do."""


def run(*argv, good=(0,), timeout=600, cwd=None):
    """Return what a program printed. Failed when its status is not in ``good``."""
    environment = {"PATH": "/usr/local/cuda/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    environment["HOME"] = os.environ.get("HOME", "/")
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout,
            check=False, env=environment, cwd=cwd,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no end after {timeout} s"
        raise Failed(f"{argv[0]}: {reason}") from None
    if done.returncode not in good:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout

"""Runs other programs. A failure is an exception with their own words; nothing of standard input is ever in it."""

import os
import subprocess


class Failed(Exception):
    """Something could not be done; the text says what and why."""


def run(*argv, stdin="", good=(0,), timeout=600):
    """Return what a program printed. Failed when its status is not in ``good``."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no end after {timeout} s"
        raise Failed(f"{argv[0]}: {reason}") from None
    if done.returncode not in good:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def says(*argv):
    """Return whether a program ends with status 0."""
    try:
        run(*argv)
    except Failed:
        return False
    return True

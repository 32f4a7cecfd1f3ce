"""Unpack llama.cpp's tools and the libraries below them, from Debian's packages, into a folder of the tests.

Nothing of the system changes, and nobody needs to be root: apt resolves against an empty machine with lists of its own,
and the programs run with the loader that came with them. ``python -m tests.llama.install`` does it beforehand.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pvekit.lab.image.apt_host import AptHost, read_host

SUITE = "forky"
"""The first suite of Debian that carries the package."""

PACKAGES = ("llama.cpp-tools", "libgomp1")
_LOADER = "lib64/ld-linux-x86-64.so.2"


def folder() -> Path:
    """Return where the tools lie once they are unpacked."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    return home / "pvekit" / "tests" / f"llama-{key}"


def install() -> Path:
    """Return the folder with the tools, unpacking them first where it is not there.

    Raises ``RuntimeError`` with apt's last lines when the packages cannot be had.
    """
    made = folder()
    if made.is_dir():
        return made
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise RuntimeError("apt-get and dpkg-deb are needed to unpack Debian's llama.cpp")
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=f"{made.name}.part-") as name:
        part = Path(name)
        apt = _apt(part / "apt", read_host(SUITE))
        _run([*apt, "update"])
        _run([*apt, "--yes", "--no-install-recommends", "--download-only", "install", *PACKAGES])
        root = part / "root"
        # The merged folders first: packages carry files below /lib and below /usr/lib.
        for merged in ("bin", "lib", "lib64", "sbin"):
            (root / "usr" / merged).mkdir(parents=True)
            (root / merged).symlink_to(f"usr/{merged}")
        for package in sorted((part / "apt/cache/archives").glob("*.deb")):
            _unpack(package, root)
        if not (root / _LOADER).exists():
            raise RuntimeError(f"the packages brought no {_LOADER}; remove {made.parent} and try again")
        try:
            root.rename(made)
        except OSError:
            if not made.is_dir():  # else somebody else was faster, with the same files
                raise
    return made


def _unpack(package: Path, root: Path) -> None:
    """Unpack through tar: it keeps the links of merged folders, which dpkg-deb would replace."""
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True)
    subprocess.run(
        ["tar", "-C", root, "--keep-directory-symlink", "--no-same-owner", "--no-same-permissions", "-xf", "-"],
        input=unpacked.stdout, check=True,
    )  # fmt: skip


def _apt(state: Path, host: AptHost) -> list[str]:
    """Return apt-get on a machine of its own: no packages installed, the host's mirrors for another suite."""
    for name in ("lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text("".join(f"{line}\n" for line in host.sources))
    options = {
        **host.options,
        "Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": state / "etc/preferences.d",
        "Dir::State": state, "Dir::State::lists": state / "lists", "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache", "Debug::NoLocking": "1", "APT::Get::AllowUnauthenticated": "0",
        "APT::Sandbox::User": "",
    }  # fmt: skip
    return ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    if done.returncode:
        raise RuntimeError("\n".join([" ".join(argv[-3:]), *done.stderr.splitlines()[-8:]]))


if __name__ == "__main__":
    sys.stdout.write(f"llama.cpp of Debian {SUITE}: {install()}\n")

"""Debian's packages as a tree of files: downloaded and unpacked, never configured."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pvekit.lab.image.apt_host import AptHost

SUITE = "trixie"
PACKAGES = (
    "linux-image-cloud-amd64",  # signed by Debian; its drivers are those of virtual machines
    "shim-signed",
    "grub-efi-amd64-signed",
    "busybox-static",
    "python3",
    "openssh-server",
    "qemu-guest-agent",
)


def run(*argv: str | Path, stdin: bytes | None = None, environment: dict[str, str] | None = None) -> bytes:
    """Run a program and return what it printed. RuntimeError with its complaint if it fails."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words,
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
    )
    if done.returncode:
        complaint = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{words[0]} ended with status {done.returncode}: {complaint[-2000:]}")
    return done.stdout


def unpack(host: AptHost, work: Path) -> Path:
    """Return the tree, made in ``work``."""
    archive, tree = work / "packages.tar", work / "packages"
    mode = "root" if os.geteuid() == 0 else "unshare"
    options = [f'--aptopt={key} "{value}"' for key, value in sorted(host.options.items())]
    run("mmdebstrap", "--quiet", "--variant=extract", f"--mode={mode}", "--format=tar",
        f"--include={','.join(PACKAGES)}", *options, SUITE, archive, *host.sources,
        environment={"TMPDIR": str(work)})  # fmt: skip
    tree.mkdir()
    run("tar", "-C", tree, "--no-same-owner", "--exclude=./dev/*", "--exclude=./usr/share/*", "-xf", archive)
    archive.unlink()
    return tree

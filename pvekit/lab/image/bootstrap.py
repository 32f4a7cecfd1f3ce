"""Runs mmdebstrap: packages into a directory tree (as root) or a tar archive (without root)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.image import recipe
from pvekit.lab.image.apt_host import AptHost

Log = Callable[[str], None]


def bootstrap_argv(
    host: AptHost, target: Path, *, as_root: bool, variant: recipe.Variant = recipe.VARIANTS[recipe.BASE]
) -> list[str]:
    """Return the command that fills ``target``: a directory as root, ``target`` with ``.tar`` otherwise.

    The package lists stay in the image, so that a guest's ``apt-get install`` needs no ``update`` first, which takes
    a minute under software emulation.
    """
    argv = ["mmdebstrap", "--variant=apt", "--quiet", "--skip=cleanup/apt/lists", "--skip=cleanup/tmp"]
    argv += ["--mode=root", "--format=directory"] if as_root else ["--mode=unshare", "--format=tar"]
    argv += [f"--dpkgopt={option}" for option in (*recipe.DPKG_OPTIONS, *variant.options)]
    argv += [f'--aptopt={key} "{value}"' for key, value in sorted(host.options.items())]
    argv += ['--aptopt=Acquire::Languages "none"', "--include=" + ",".join((*recipe.PACKAGES, *variant.packages))]
    config = "etc/tiny-initramfs/tiny-initramfs.conf"
    argv += [
        f'--essential-hook=mkdir -p "$1/{config.rpartition("/")[0]}"',
        f"--essential-hook=printf %s '{recipe.initramfs_config()}' > \"$1/{config}\"",
    ]
    if variant.off:
        argv += [f'--customize-hook=systemctl --root="$1" --quiet disable {" ".join(variant.off)}']
    argv += [f"--customize-hook={hook}" for hook in variant.hooks]
    return [*argv, variant.suite, str(target), *host.sources]


def bootstrap(host: AptHost, target: Path, *, variant: recipe.Variant, as_root: bool, log: Log) -> None:
    """Run mmdebstrap; it dies with us (setpriv), whatever ends us. DoorError with the log's tail if it fails."""
    argv = ["setpriv", "--pdeathsig", "TERM", *bootstrap_argv(host, target, as_root=as_root, variant=variant)]
    environment = {**os.environ, "TMPDIR": str(target.parent), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    tail: list[str] = []
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        try:
            for line in process.stdout:
                text = line.rstrip()
                tail = [*tail[-29:], text]
                if text.startswith(("E:", "W:", "I: ")):
                    log(text)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if status:
        raise DoorError(
            f"mmdebstrap ended with status {status}; does apt-get update work here? Its last lines:\n" + "\n".join(tail)
        )

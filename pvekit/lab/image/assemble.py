"""The second half of a build: tree to disk. A program of its own, because without root it runs in a user namespace."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.image.apt_host import AptHost
from pvekit.lab.image.customize import customize
from pvekit.lab.image.disk import make_disk


def assemble(root: Path, work: Path, target: Path, *, uuid: str, size: int, host: AptHost) -> None:
    """Customize the tree (or ``root``.tar, unpacked first) and write the disk."""
    with _tree(root):
        customize(root, host, uuid)
    make_disk(root, work, target, uuid, size)


@contextlib.contextmanager
def _tree(root: Path) -> Iterator[None]:
    """Unpack the archive of a build without root. It cannot hold device files: lend /dev/null to what runs inside."""
    if root.is_dir():
        yield
        return
    root.mkdir()
    subprocess.run(["tar", "-C", str(root), "--numeric-owner", "--exclude=./dev/*", "-xpf", f"{root}.tar"], check=True)
    null = root / "dev/null"
    null.parent.mkdir(exist_ok=True)
    null.touch()
    subprocess.run(["mount", "--bind", "/dev/null", str(null)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(null)], check=True)
        null.unlink()


def main() -> int:
    """Read the arguments as JSON from standard input; print what went wrong as one text."""
    given = json.load(sys.stdin)
    host = AptHost(tuple(given["sources"]), given["options"], tuple(Path(name) for name in given["certificates"]))
    try:
        assemble(
            Path(given["root"]), Path(given["work"]), Path(given["target"]),
            uuid=given["uuid"], size=given["size"], host=host,
        )  # fmt: skip
    except DoorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

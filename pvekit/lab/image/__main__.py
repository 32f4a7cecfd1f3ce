"""``python -m pvekit.lab.image [--fresh] [--name NAME] [DIRECTORY]``: build the image and print its path."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.image.build import build
from pvekit.lab.image.recipe import BASE, VARIANTS


def main() -> int:
    """Build, with the log on standard error and the path on standard output."""
    parser = argparse.ArgumentParser(prog="python -m pvekit.lab.image", description="Build the lab's base image.")
    parser.add_argument("directory", nargs="?", type=Path, help="where images are kept (default: the user's cache)")
    parser.add_argument("--fresh", action="store_true", help="build even if the cache has an image for this recipe")
    parser.add_argument("--name", choices=sorted(VARIANTS), default=BASE, help=f"which image (default: {BASE})")
    given = parser.parse_args()
    try:
        path = build(
            given.directory, lambda line: print(line, file=sys.stderr, flush=True), name=given.name, fresh=given.fresh
        )
    except DoorError as error:
        print(error, file=sys.stderr)
        return 15
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

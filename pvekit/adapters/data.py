"""Where the playbooks, templates and the inventory script are: in the installed wheel or in the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pvekit
from pvekit.model.errors import PvekitError

Shelf = Literal["playbooks", "templates", "inventory"]


def data_dir(shelf: Shelf) -> Path:
    """Return the folder of ``shelf``: the wheel's copy, else the checkout's.

    Raises PvekitError when neither is there, which means a broken installation.
    """
    package = Path(pvekit.__file__).resolve().parent
    candidates = (package / "_data" / shelf, package.parent / shelf)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise PvekitError(
        f"the folder {shelf}/ is missing from the installation",
        where=str(candidates[0]),
        hint="Install pvekit again: pipx reinstall pvekit",
    )


def playbook(name: str) -> Path:
    """Return the path of one of our playbooks, by name without ``.yml``. Raises PvekitError when it is not there."""
    path = data_dir("playbooks") / f"{name}.yml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.yml")))
        raise PvekitError(f"there is no playbook named {name}", where=str(path.parent), hint=f"There are: {known}")
    return path

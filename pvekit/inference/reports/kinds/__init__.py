"""One file per kind of text a program prints. Being in the folder is the registration.

Each has ``read(text, found)``, which looks for its kind by content and keeps what it finds; text of other kinds
around it is nothing to it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Text

Reader = Callable[[Text, Found], None]


@cache
def readers() -> tuple[Reader, ...]:
    """Return all readers, in the order of their names."""
    names = sorted(item.name for item in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}").read for name in names)

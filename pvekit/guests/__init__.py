"""One file per kind of VM. Being in the folder is the registration: ``debian.py`` is ``kind: debian``.

A kind's module has one function, ``desired(stack, vm) -> DesiredVm``, and a docstring whose first line says what
the kind is. Modules that start with an underscore are shared by several kinds.
"""

from __future__ import annotations

import importlib
import pkgutil

from pvekit.model.desired import DesiredVm
from pvekit.model.stack import Stack, Vm


def kinds() -> frozenset[str]:
    """Return the names of all kinds that this version can build."""
    return frozenset(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def desired(stack: Stack, vm: Vm) -> DesiredVm:
    """Return how this VM should be. The stack was validated, so its kind is known."""
    module = importlib.import_module(f"{__name__}.{vm.kind}")
    result = module.desired(stack, vm)
    assert isinstance(result, DesiredVm)  # noqa: S101 - every module of the folder, held by a test
    return result

"""Text of a stack file to a Stack, or every mistake in it at once."""

from __future__ import annotations

import copy
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pvekit.model.errors import Problem, StackInvalid
from pvekit.model.stack import checks, gpu_build, gpu_checks
from pvekit.model.stack.build import build_host, build_image, build_vm
from pvekit.model.stack.files import Files, NoFiles
from pvekit.model.stack.include import Includer
from pvekit.model.stack.problems import translate
from pvekit.model.stack.shape import StackShape
from pvekit.model.stack.text import Document, Path, read
from pvekit.model.stack.values import Stack

MAX_ROUNDS: Final = 12
_HARMLESS: Final = {"pvekit": 1, "name": "stack", "host": "lab", "vms": {}}


def load(text: str, file: str, kinds: frozenset[str], files: Files | None = None) -> Stack:
    """Return the stack that ``text`` describes; ``file`` is its name in messages.

    ``kinds`` are the kinds of VM that can be built. ``files`` opens what the stack refers to; without it, ``file:``
    references to keys and user data are mistakes. Raises StackInvalid with all mistakes in file order.
    """
    document = read(text, file)
    if not isinstance(document.data, dict):
        if not document.problems:
            hint = "Start with `pvekit: 1`, or run `pvekit init`."
            document.problems.append(document.problem((), "this is not a stack file", hint))
        raise StackInvalid(document.problems)
    shape, problems = _shape(document)
    problems = document.problems + problems
    if shape is not None:
        problems.extend(checks.check(shape, document, kinds))
        problems.extend(gpu_checks.check(shape, document))
        stack = _build(shape, file, Includer(document, files or NoFiles(), problems))
        if not problems:
            return stack
    raise StackInvalid(_ordered(problems))


def _shape(document: Document) -> tuple[StackShape | None, list[Problem]]:
    """Return the shape and the mistakes in it.

    What is wrong is cut out and the rest is read again, so that the mistakes between fields show in the same run.
    """
    data = cast("dict[str, Any]", copy.deepcopy(document.data))
    problems: list[Problem] = []
    for _attempt in range(MAX_ROUNDS):
        try:
            return StackShape.model_validate(data), problems
        except ValidationError as error:
            problems = problems or translate(document, error)
            for details in error.errors(include_url=False):
                path = _culprit(details)
                document.cut.add(path)
                _cut(data, path)
    return None, problems


def _culprit(details: ErrorDetails) -> Path:
    """Return the path of what to cut out for a complaint: the wrong value, or what lacks something.

    List items stay where they are, or their numbers would no longer be those of the file: the list goes.
    """
    path: Path = details["loc"]
    if path[-1:] == ("[key]",) or (details["type"] == "missing" and len(path) > 1):
        path = path[:-1]
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path


def _cut(data: dict[str, Any], path: Path) -> None:
    """Remove the value at a path; at the top, where nothing may be missing, put a harmless one."""
    if len(path) == 1 and path[0] in _HARMLESS:
        data[str(path[0])] = copy.deepcopy(_HARMLESS[str(path[0])])
        return
    here: Any = data
    for part in path[:-1]:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return  # a parent has been cut already
    if isinstance(here, dict):
        here.pop(path[-1], None)


def _build(shape: StackShape, file: str, include: Includer) -> Stack:
    return Stack(
        name=shape.name,
        file=file,
        host=build_host(shape.host) if shape.host else None,
        images={name: build_image(name, image, include) for name, image in shape.images.items()},
        vms=tuple(build_vm(name, vm, shape, include) for name, vm in shape.vms.items()),
        gpus={name: gpu_build.gpu(name, gpu) for name, gpu in shape.gpus.items()},
    )


def _ordered(problems: list[Problem]) -> list[Problem]:
    # An alias shows the same mistake under several paths.
    unique = {(found.file, found.line, found.column, found.message): found for found in reversed(problems)}
    return sorted(unique.values(), key=lambda found: (found.file, found.line, found.column))

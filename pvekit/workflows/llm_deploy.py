"""A stack file with one language model, from a few words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pvekit import guests
from pvekit.adapters.stackfile import load_stack
from pvekit.model.errors import PvekitError
from pvekit.model.stack.emit import block, flow

LAB_IMAGE = {"build": "debian-14-llama"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says. ``model`` is an address, a file or the name of a shape; ``image`` an address or a recipe.

    ``like`` is a stack file whose ``host`` and ``defaults`` are taken; None means the embedded node.
    """

    name: str
    model: str
    image: str | None = None
    quant: str | None = None
    sha256: str | None = None
    image_sha256: str | None = None
    memory: str = "8GiB"
    disk: str = "20GiB"
    cores: int = 4
    context: int = 8192
    lan: bool = False
    like: Path | None = None


def text(asked: Asked) -> str:
    """Return the stack file. Raises PvekitError when the one to take the host from cannot be used."""
    source = _source(asked.model)
    # A path in a stack file starts where the file is, and the person's where they are.
    model: dict[str, object] = {source: str(Path(asked.model).absolute()) if source == "file" else asked.model}
    model |= {key: value for key, value in (("quant", asked.quant), ("sha256", asked.sha256)) if value}
    image: dict[str, object] = dict(LAB_IMAGE)
    if asked.image is not None:
        image = {"url" if "://" in asked.image else "build": asked.image}
        image |= {"sha256": asked.image_sha256} if asked.image_sha256 else {}
    vm: dict[str, object] = {
        "kind": "llama", "image": "llama", "cores": asked.cores, "memory": asked.memory,
        "disks": [{"size": asked.disk}],
        "llama": {"model": model, "context": asked.context} | ({"listen": "lan"} if asked.lan else {}),
    }  # fmt: skip
    head = _taken(asked.like) if asked.like is not None else "host: lab\ndefaults: {storage: local}\n"
    return (
        f"# Written by pvekit llm deploy; yours from now on.\npvekit: 1\nname: {asked.name}\n{head}"
        f"images:\n  llama: {flow(image)}\nvms:\n  {asked.name}:\n{block(vm, 4)}"
    )


def write(path: Path, asked: Asked) -> None:
    """Write the stack file and read it back. Raises StackInvalid with every mistake; nothing is left then."""
    made = text(asked)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(made)
    except FileExistsError:
        raise PvekitError(
            f"{path} exists", hint=f"Name another file with --out, or bring that one up: pvekit up {path}"
        ) from None
    except OSError as error:
        raise PvekitError(f"{path} cannot be written: {error.strerror}") from None
    try:
        load_stack(path, guests.kinds())
    except PvekitError:
        path.unlink()
        raise


def _source(model: str) -> str:
    if "://" in model:
        return "url"
    return "file" if model.endswith(".gguf") or "/" in model else "shape"


def _taken(path: Path) -> str:
    """Return ``host`` and ``defaults`` of a stack file as they stand there."""
    try:
        whole = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PvekitError(f"{path} cannot be read: {error}") from None
    found = re.findall(r"(?m)^(?:host|defaults):.*\n(?:(?:[ \t#].*)?\n)*", whole + "\n")
    if not any(part.startswith("host:") for part in found):
        raise PvekitError(f"{path} names no host", hint="Give a stack file with host: in it.")
    return "".join(part.rstrip("\n") + "\n" for part in found)

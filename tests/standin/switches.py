"""What shall go wrong, chosen without another build: a block inside the CD is replaced."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tests.standin.guest.options import BLOCK, MAGIC

PROMPT = b"set prompt=%02d\n"
PROMPT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Switches:
    """All off: everything goes well. A Setup CD with another set is another file with another digest."""

    prompt_seconds: int = PROMPT_SECONDS
    """How long the CD asks for a key (0 to 99); 0 starts Setup without asking."""
    images: tuple[str, ...] = ()
    """Setup finds these names in install.wim, whatever a reader of the ISO sees: the wrong image name."""
    garble_answer: bool = False
    """Setup reads half of the answer file only: unreadable."""
    lose_driver: str = ""
    """Setup does not find this driver's folder on the answer CD."""
    used_disk: bool = False
    """Disk 0 carries a partition table before Setup looks."""
    never_off: bool = False
    """Setup stays on after it has written the disk."""
    never_agent: bool = False
    """The guest tools bring no agent. SSH comes all the same."""
    never_done: bool = False
    """All steps run, done.json is never written."""
    fail_step: str = ""
    """The first logon fails at this step, with ``fail_code`` and ``fail_detail``."""
    fail_code: int = 1603
    fail_detail: str = ""
    lose_keys: bool = False
    """The first logon says that all went well, but no SSH key is in place."""


def default_block() -> bytes:
    """Return the block that a fresh CD holds."""
    return _block(Switches())


def variant(iso: Path, switches: Switches, folder: Path) -> Path:
    """Return a copy of a Setup CD with these switches, in ``folder`` under a name of its own."""
    block = _block(switches)
    prompt = PROMPT % switches.prompt_seconds
    name = f"{iso.stem}-{hashlib.sha256(block + prompt).hexdigest()[:8]}.iso"
    target = folder / name
    if target.exists():
        return target
    partial = folder / f".{name}.part"
    shutil.copyfile(iso, partial)
    _replace(partial, default_block(), block)
    _replace(partial, PROMPT % PROMPT_SECONDS, prompt)
    return partial.rename(target)


def _block(switches: Switches) -> bytes:
    standard = Switches()
    wanted = {each.name: getattr(switches, each.name) for each in fields(switches)}
    changed = {name: value for name, value in wanted.items() if value != getattr(standard, name)}
    if "fail_step" in changed:
        changed |= {name: asdict(switches)[name] for name in ("fail_code", "fail_detail")}
    changed.pop("prompt_seconds", None)
    block = MAGIC + json.dumps(changed, sort_keys=True).encode()
    if len(block) > BLOCK:
        raise ValueError("the switches do not fit into their block")
    return block.ljust(BLOCK)


def _replace(path: Path, old: bytes, new: bytes) -> None:
    """Replace the one place in a file that holds ``old``."""
    whole = path.read_bytes()
    at = whole.find(old)
    if at < 0 or whole.find(old, at + 1) >= 0 or len(old) != len(new):
        raise ValueError(f"{path} holds the block to replace not exactly once")
    with path.open("r+b") as file:
        file.seek(at)
        file.write(new)

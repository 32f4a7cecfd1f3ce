"""Opens a stack file and what it refers to: public keys, user data, images, playbooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pvekit.model.errors import Problem, StackInvalid
from pvekit.model.stack import Stack, load
from pvekit.model.stack.files import reason

LIMIT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Beside:
    """Files named relative to the folder of the stack file; ``~`` is the home folder."""

    folder: Path

    def read(self, path: str) -> str:
        """Return the text of a file of at most 4 MiB. OSError or UnicodeDecodeError otherwise."""
        found = Path(self.locate(path))
        if found.stat().st_size > LIMIT_BYTES:
            raise OSError(27, "it is larger than 4 MiB", path)
        return found.read_text(encoding="utf-8")

    def locate(self, path: str) -> str:
        """Return the absolute path of an existing file. OSError otherwise."""
        found = self.folder / _home(path)
        if found.is_dir():
            raise IsADirectoryError(21, "it is a folder", path)
        return str(found.resolve(strict=True))


def _home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(2, "this home folder is not known", path) from error


def load_stack(path: Path, kinds: frozenset[str]) -> Stack:
    """Return the stack in a file. Raises StackInvalid with every mistake, an unreadable file included."""
    shown = str(path)
    try:
        text = Beside(Path.cwd()).read(shown)
    except UnicodeDecodeError:
        raise StackInvalid([Problem(shown, 0, 0, "", "this is not UTF-8 text.", "Save it as UTF-8.")]) from None
    except OSError as error:
        hint = "Check the name, or write a first one with `pvekit init`."
        raise StackInvalid([Problem(shown, 0, 0, "", f"cannot read it: {reason(error)}.", hint)]) from None
    return load(text, shown, kinds, Beside(path.absolute().parent))

"""Writing small files so that nobody ever reads half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pvekit.model.errors import PvekitError


def write_atomic(path: Path, content: bytes, *, mode: int = 0o644, exclusive: bool = False) -> None:
    """Write ``content`` to ``path`` in one step, with the permissions ``mode`` from the first moment.

    ``exclusive`` refuses to replace a file that somebody else made meanwhile. Folders are made (0700). Raises
    PvekitError when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(made)
        try:
            with os.fdopen(handle, "wb") as out:
                os.fchmod(out.fileno(), mode)
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            if exclusive:
                path.hardlink_to(part)
                part.unlink()
            else:
                part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PvekitError(
            f"cannot write: {error.strerror or error}",
            where=str(path),
            hint="Check the folder's permissions and space.",
        ) from error

"""Writes files that differ: a JSON list of {path, mode, content, check} on standard input; prints what changed.

``check`` is a command that has to accept the new file (its path is added) before it takes the old one's place. With
the argument ``look`` nothing is written.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main():
    """Write them, each in one step, or none of those that follow a refused one."""
    for entry in json.load(sys.stdin):
        path, mode, content = Path(entry["path"]), int(entry["mode"], 8), entry["content"].encode()
        same = path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o7777 == mode
        if same:
            continue
        if "look" not in sys.argv[1:]:
            put(path, mode, content, entry.get("check"))
        sys.stdout.write(f"changed: {path}\n")
    return 0


def put(path, mode, content, check):
    """Write one file."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".pvekit.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as part:
            part.write(content)
        Path(name).chmod(mode)
        if check:
            done = subprocess.run([*check, name], capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{path} is refused by {check[0]}: {(done.stdout + done.stderr).strip()[-800:]}")
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())

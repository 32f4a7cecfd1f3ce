#!/usr/bin/env python3
"""Ansible inventory of a stack: PVEKIT_STACK=home.yaml ansible-playbook -i inventory/pvekit_inventory.py play.yml."""

import os
import shutil
import sys
from pathlib import Path


def main() -> int:
    """Hand over to ``pvekit inventory``; Ansible calls with --list, and with --host only when hostvars are absent."""
    stack = os.environ.get("PVEKIT_STACK", "")
    if not Path(stack).is_file():
        what = f"there is no file {stack}" if stack else "PVEKIT_STACK is not set"
        sys.stderr.write(f"pvekit inventory: {what}. Set it to the path of your stack file.\n")
        return 3
    program = shutil.which("pvekit") or shutil.which("pvekit", path=str(Path(sys.executable).parent))
    if program is None:
        sys.stderr.write("pvekit inventory: there is no pvekit on the PATH. Install it: pipx install pvekit\n")
        return 1
    os.execv(program, [program, "inventory", stack, *(sys.argv[1:] or ["--list"])])  # noqa: S606
    return 0


if __name__ == "__main__":
    sys.exit(main())

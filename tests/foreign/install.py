"""Installs the clients nobody here wrote: ``python -m tests.foreign.install [FOLDER]``.

They get a virtual environment of their own (default ``build/foreign``), unmodified from PyPI. Of the ``ansible``
package only the collection ``community.proxmox`` is unpacked; kcli comes without libvirt, which its Proxmox
provider does not use.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build" / "foreign"
ANSIBLE = "ansible==12.3.0"
KCLI = "kcli==99.0.202610251748"
LIBRARIES = (
    "ansible-core~=2.19.5", "proxmoxer~=2.3.0", "requests", "requests-toolbelt", "argcomplete", "prettytable",
    "jinja2", "PyYAML",
)  # fmt: skip
COLLECTION = "ansible_collections/community/proxmox/"


def install(folder: Path) -> None:
    """Make the environment; what is there already stays."""
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", *LIBRARIES], check=True)
    subprocess.run([*pip, "install", "--no-deps", KCLI], check=True)
    if not (folder / "collections" / COLLECTION).is_dir():
        with tempfile.TemporaryDirectory() as downloads:
            subprocess.run([*pip, "download", "--no-deps", "--dest", downloads, ANSIBLE], check=True)
            wheel = next(Path(downloads).glob("ansible-*.whl"))
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if name.startswith(COLLECTION)]
                archive.extractall(folder / "collections", names)


if __name__ == "__main__":
    install(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

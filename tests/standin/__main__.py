"""``python -m tests.standin``: build the Setup CD and print its path."""

from __future__ import annotations

from tests.standin.build import setup_iso

if __name__ == "__main__":
    print(setup_iso())

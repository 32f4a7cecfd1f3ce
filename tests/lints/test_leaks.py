"""The search for leaked secrets finds what it looks for."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import leaks

SECRET = "Bär & Öl+7"


@pytest.mark.parametrize(
    "text",
    [
        SECRET.encode(),
        b"before " + SECRET.encode() + b" after",
        base64.b64encode(SECRET.encode()),
        base64.b64encode(SECRET.encode("utf-16-le")),
        SECRET.encode("utf-16-le"),
        b"password=B%C3%A4r%20%26%20%C3%96l%2B7",
        b"password=B%C3%A4r+%26+%C3%96l%2B7",
        b'{"password": "B\\xe4r & \\xd6l+7"}',
    ],
)
def test_every_form_is_found_in_files(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(text)
    (tmp_path / "clean").write_bytes(b"nothing here")
    (tmp_path / "disk.qcow2").write_bytes(text)
    assert leaks.in_files([SECRET], [tmp_path]) == [str(tmp_path / "deep" / "log")]
    assert leaks.in_files([SECRET], [tmp_path], apart=[tmp_path / "deep" / "log"]) == []


def test_an_argument_is_seen_while_its_process_runs() -> None:
    with leaks.Watch([SECRET]) as watch:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)", f"--password={SECRET}"], check=True)
    assert len(watch.found) == 1


def test_standard_input_is_no_argument() -> None:
    with leaks.Watch([SECRET]) as watch:
        subprocess.run([sys.executable, "-c", "input()"], input=SECRET, text=True, check=True)
    assert watch.found == set()

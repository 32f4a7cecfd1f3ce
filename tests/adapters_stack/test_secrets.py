"""Secrets come from where the reference says, and show themselves to nobody."""

from __future__ import annotations

import copy
import logging
import pickle
import sys
from pathlib import Path

import pytest

from pvekit.adapters.secrets import Secret, resolve
from pvekit.model.errors import SecretUnavailable
from pvekit.model.stack import SecretRef

TEXT = "s3cret-Text"


def test_from_the_environment() -> None:
    assert resolve(SecretRef("env", "X"), environ={"X": TEXT}).reveal() == TEXT


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TEXT + "\n")
    path.chmod(0o600)
    assert resolve(SecretRef("file", "token"), folder=tmp_path).reveal() == TEXT
    path.chmod(0o640)
    with pytest.raises(SecretUnavailable, match="can be used by others") as caught:
        resolve(SecretRef("file", str(path)))
    assert "chmod 600" in caught.value.hint


def test_from_a_command(tmp_path: Path) -> None:
    script = f"{sys.executable} -c 'print(\"{TEXT}\")'"
    assert resolve(SecretRef("cmd", script)).reveal() == TEXT
    (tmp_path / "x").touch()
    assert resolve(SecretRef("cmd", "echo '$HOME' *; true"), folder=tmp_path).reveal() == "$HOME *; true"


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        (SecretRef("env", "NOT_SET"), "NOT_SET is not set"),
        (SecretRef("env", "EMPTY"), "is empty"),
        (SecretRef("env", "LINES"), "more than one line"),
        (SecretRef("file", "/not/there"), "no such file"),
        (SecretRef("cmd", "/not/there"), "cannot run /not/there: no such file"),
        (SecretRef("cmd", "false"), "false ended with status 1"),
        (SecretRef("cmd", "'"), "No closing quotation"),
        (SecretRef("vault", "x"), "not a kind of secret"),
    ],
    ids=str,
)
def test_why_there_is_none(ref: SecretRef, why: str) -> None:
    with pytest.raises(SecretUnavailable, match=why) as caught:
        resolve(ref, environ={"EMPTY": "", "LINES": f"{TEXT}\n{TEXT}"})
    assert caught.value.hint
    assert TEXT not in str(caught.value)


def test_a_failing_command_says_nothing_of_its_output() -> None:
    with pytest.raises(SecretUnavailable) as caught:
        resolve(SecretRef("cmd", f"{sys.executable} -c \"print('hid'+'den'); raise SystemExit(3)\""))
    assert "hidden" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


def test_it_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(TEXT)
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("%s %r", secret, secret)
    shown = f"{secret} {secret!r} {secret:>20} {[secret]} {caplog.text}"
    assert TEXT not in shown
    assert not hasattr(secret, "__dict__")
    for copier in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied"):
            copier(secret)

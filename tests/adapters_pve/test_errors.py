"""PVE's words become our errors: the cases are data; the recordings of a real server are asked too where present."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.pve import lock_timeout
from pvekit.adapters.pve.errors import Cause, answer_error, cause, cause_of
from pvekit.model.errors import ApiError, AuthFailed, NotFound, ParameterRejected, PermissionDenied
from pvekit.model.task import TaskResult, ending_of

HERE = Path(__file__).parent
CASES: list[dict[str, Any]] = json.loads((HERE / "cases" / "errors.json").read_text())
RECORDINGS = HERE.parents[1].parent / "shared" / "pve" / "recordings.jsonl.gz"


@pytest.mark.parametrize("case", CASES, ids=[f"{case['status']} {case['reason'][:40]}" for case in CASES])
def test_answer(case: dict[str, Any]) -> None:
    error = answer_error(case["status"], case["reason"], case.get("body"), "GET /x")
    assert type(error).__name__ == case["error"]
    assert cause(error) is Cause[case["cause"]]
    assert str(error).startswith("GET /x: ")
    assert case.get("says", case["reason"] if "body" not in case else "") in error.message


@pytest.mark.parametrize(
    ("exitstatus", "expected"),
    [
        ("OK", False),
        ("WARNINGS: 1", False),
        ("can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", True),
        ("clone failed: cfs-lock 'storage-nfs' error: got lock request timeout", True),
        ("VM 100 already running", False),
        ("VM quit/powerdown failed - got timeout", False),
        ("VM is locked (backup)", False),
    ],
)
def test_lock_timeout_of_a_task(exitstatus: str, expected: bool) -> None:
    assert lock_timeout(TaskResult("UPID", ending_of(exitstatus), exitstatus)) is expected


def test_body_wins_over_a_folded_reason() -> None:
    error = answer_error(500, "storage 'x' ...", {"message": "storage 'x' does not exist\n"}, "GET /x")
    assert isinstance(error, NotFound)
    assert error.message == "storage 'x' does not exist"


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recordings of a real server are not there")
def test_recordings_of_a_real_server() -> None:
    kinds = {401: AuthFailed, 403: PermissionDenied}
    seen = 0
    with gzip.open(RECORDINGS, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record["status"] < 400:
                continue
            seen += 1
            body = record["response"] if isinstance(record["response"], dict) else None
            error = answer_error(record["status"], record["reason"], body, record["path"])
            if record["status"] in kinds:
                assert type(error) is kinds[record["status"]]
            elif record["status"] == 400:
                assert isinstance(error, ParameterRejected | NotFound)
                assert error.errors
            else:
                assert isinstance(error, ApiError)
            assert error.message
            if "does not exist" in record["reason"] and record["status"] == 500:
                assert cause_of(error.message) is Cause.MISSING
    assert seen > 150

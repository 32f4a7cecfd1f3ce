"""Replays recorded requests against a fresh lab and compares the answers.

``python -m tests.lab.replay`` prints the share that matches and every request that does not. A request matches
when the status is the same and the error has the same shape: the same parameters in the errors map, the same
kind of data, a body where there was one. Reason phrases are compared too, Perl's file and line left out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from tests.lab.running import Answer, Client, RunningLab, multipart, qcow2

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "pve" / "recordings.jsonl.gz"
UPID = re.compile(r"UPID:[^/\s\"]+:")
LEFT_OUT = {
    r"^/nodes/pve/qemu/\d+/(mtunnel|remote_migrate)": "migration to another cluster is not offered",
}
UNRECORDED = "the request that started this task was not recorded"


@dataclass(frozen=True)
class Outcome:
    record: Mapping[str, Any]
    answer: Answer | None
    left_out: str = ""

    @property
    def status_ok(self) -> bool:
        return self.answer is not None and self.answer.status == self.record["status"]

    @property
    def shape_ok(self) -> bool:
        if self.answer is None or not self.status_ok:
            return False
        expected, found = self.record["response"], self.answer.document
        if not isinstance(expected, dict) or not isinstance(found, dict):
            return bool(expected) == bool(found)
        errors = set(expected.get("errors") or ()) == set(found.get("errors") or ())
        return errors and type(expected.get("data")) is type(found.get("data"))

    @property
    def reason_ok(self) -> bool:
        return self.answer is not None and clean(self.answer.reason) == clean(self.record["reason"])

    @property
    def end_ok(self) -> bool:
        """Whether a task that both ended ended the same way (only looked at for task status)."""
        expected = _exit(self.record["response"])
        return expected is None or (
            self.answer is not None and clean(_exit(self.answer.document) or "") == clean(expected)
        )

    @property
    def missing_keys(self) -> set[str]:
        """Keys of the recorded data that this answer's data lacks (informative: many depend on the machine)."""
        if self.answer is None or self.record["status"] != 200 or not self.shape_ok:
            return set()
        return _keys(self.record["response"]) - _keys(self.answer.document)


def _keys(document: Any) -> set[str]:
    data = document.get("data") if isinstance(document, dict) else None
    rows = data if isinstance(data, list) else [data]
    return {key for row in rows if isinstance(row, dict) for key in row}


def _exit(document: Any) -> str | None:
    data = document.get("data") if isinstance(document, dict) else None
    return data.get("exitstatus") if isinstance(data, dict) else None


def clean(text: str) -> str:
    """Leave out what cannot be the same: Perl's places, and paths of this machine."""
    return re.sub(r" at /usr/\S+ line \d+\.?|/[\w/.\-]*/(?=(images|template|import)/)|[0-9a-f]{64}", "", text).strip()


def recordings() -> list[dict[str, Any]]:
    with gzip.open(RECORDINGS, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


class Replay:
    """One pass over the recordings."""

    def __init__(self, state: Path) -> None:
        self.records = recordings()
        pci = state / "pci.json"
        state.mkdir(parents=True, exist_ok=True)
        pci.write_text(json.dumps(self._recorded_pci()), encoding="utf-8")
        self.lab = RunningLab(state, shuts_down=False, pci=pci, cpus=2)
        self.lab.lab.storages.store.put(
            "second", {"type": "dir", "path": str(state / "second"), "content": "iso,images"}
        )
        self.lab.lab.storages.store.remove("data")
        self.secrets = {"root@pam!ci": self.lab.lab.accounts.add_token("root@pam", "ci", privsep=False)}
        self.client = Client(self.lab.server.port)
        self.upids: dict[str, str] = {}
        self.digests: dict[str, str] = {}

    def _recorded_pci(self) -> Any:
        row = next(one for one in self.records if "pci-class-blacklist" in one["params"])
        return row["response"]["data"]

    def run(self) -> Iterator[Outcome]:
        try:
            for record in self.records:
                yield self._one(record)
        finally:
            self.client.close()
            self.lab.lab.tasks.wait(20)
            self.lab.close()

    def _one(self, record: Mapping[str, Any]) -> Outcome:
        for pattern, why in LEFT_OUT.items():
            if re.match(pattern, record["path"]):
                return Outcome(record, None, why)
        recorded = unquote(record["path"])
        named = UPID.search(recorded)
        if named and named[0] not in self.upids and "unknown" not in record["label"]:
            self._missing(named[0])
        path = UPID.sub(lambda match: self.upids.get(match[0], match[0]), recorded)
        params = {key: self._placed(value) for key, value in record["params"].items()}
        if named and record["path"].endswith("/status") and _stopped(record):
            self.lab.wait(self.upids.get(named[0], named[0])) if named[0] in self.upids else None
        answer = self._send(record, path, params)
        self._learn(record, answer)
        return Outcome(record, answer)

    def _placed(self, value: Any) -> Any:
        """Return a value with the recorded server's storage folder replaced by this one's."""
        here = str(self.lab.lab.storages.config("local")["path"])
        return value.replace("/var/lib/vz/import", f"{here}/import") if isinstance(value, str) else value

    def _missing(self, upid: str) -> None:
        """Start the task whose start was not recorded, where its name says how."""
        parts = upid.split(":")
        if parts[5] != "qmdestroy":
            return
        done = self._send({"auth": "token", "user": "root@pam!ci", "label": "", "method": "DELETE"},
                          f"/nodes/pve/qemu/{parts[6]}", {"purge": "1"})  # fmt: skip
        if done.status == 200:
            self.upids[upid] = done.data
            self.lab.wait(done.data)

    def _learn(self, record: Mapping[str, Any], answer: Answer) -> None:
        expected = record["response"]
        if not isinstance(expected, dict) or answer.status != 200 or not isinstance(answer.document, dict):
            return
        old, new = expected.get("data"), answer.data
        if isinstance(old, str) and isinstance(new, str) and UPID.fullmatch(old) and UPID.fullmatch(new):
            self.upids[old] = new
        if isinstance(new, dict) and "full-tokenid" in new:
            self.secrets[new["full-tokenid"]] = new["value"]

    def _send(self, record: Mapping[str, Any], path: str, params: dict[str, Any]) -> Answer:
        headers = self._credentials(record)
        method, label = record["method"], record["label"]
        if "password" in params:
            params["password"] = self._password(record, label)
        if "confirmation-password" in params:
            params["confirmation-password"] = self.lab.secrets["password"]
        if "<multipart>" in params:
            body, headers["Content-Type"] = self._upload(params["<multipart>"], label)
            return self.client.ask(method, path, headers=headers, body=body)
        if "<raw>" in params:
            headers["Content-Type"] = "application/json"
            return self.client.ask(method, path, headers=headers, body=params["<raw>"].encode())
        if str(record.get("request_content_type")).startswith("application/json"):
            headers["Content-Type"] = "application/json"
            return self.client.ask(method, path, headers=headers, body=json.dumps(params).encode())
        if method == "DELETE" and params:
            path += "?" + urlencode(params)
            params = {}
        return self.client.ask(method, path, params, headers=headers)

    def _upload(self, told: Mapping[str, Any], label: str) -> tuple[bytes, str]:
        data = qcow2(length=told["size"]) if told["filename"].endswith("qcow2") else bytes(told["size"])
        fields = {key: value for key, value in told.items() if key not in {"filename", "size"}}
        if label == "upload with checksum":
            fields["checksum"] = hashlib.sha256(data).hexdigest()
        return multipart(fields, told["filename"], data)

    def _password(self, record: Mapping[str, Any], label: str) -> str:
        if record["path"] != "/access/ticket":
            return "sh" if "short" in label else "correct-horse"
        if "renewal" in label:
            return self.lab.lab.tickets.ticket("root@pam")
        return self.lab.secrets["password"] if record["status"] == 200 else "wrong"

    def _credentials(self, record: Mapping[str, Any]) -> dict[str, str]:
        kind, user, label = record["auth"], record.get("user") or "", record["label"]
        if kind.startswith("none"):
            return {}
        if kind.startswith("cookie"):
            if "bad ticket" in label:
                return {"Cookie": "PVEAuthCookie=PVE:root@pam:00000000::bad"}
            headers = {"Cookie": f"PVEAuthCookie={self.lab.lab.tickets.ticket('root@pam')}"}
            if "without CSRF" not in label and "wrong CSRF" not in label:
                headers["CSRFPreventionToken"] = self.lab.lab.tickets.csrf("root@pam")
            return headers
        if not user:
            wrong = {
                "bad token secret": "root@pam!ci=00000000", "unknown token id": "root@pam!zz=0",
                "token of unknown user": "who@pam!ci=0", "malformed token": "garbage",
            }  # fmt: skip
            return {"Authorization": f"PVEAPIToken={wrong.get(label, 'garbage')}"}
        if record["method"] == "PUT" and record.get("path") == "/access/acl" and record.get("status") == 200:
            # The recording names the user the rights were given to; the administrator gave them.
            user = "root@pam!ci"
        name = user if user in self.secrets else "root@pam!ci"
        if "!" in user and " " not in user and user not in self.secrets:
            return {"Authorization": f"PVEAPIToken={user}=unknown"}
        return {"Authorization": f"PVEAPIToken={name}={self.secrets[name]}"}


def _stopped(record: Mapping[str, Any]) -> bool:
    response = record["response"]
    return (
        isinstance(response, dict)
        and isinstance(response.get("data"), dict)
        and (response["data"].get("status") == "stopped")
    )


@dataclass(frozen=True)
class Summary:
    outcomes: list[Outcome]
    seconds: float

    @property
    def replayed(self) -> list[Outcome]:
        return [one for one in self.outcomes if not one.left_out]

    def share(self, name: str) -> float:
        return sum(bool(getattr(one, name)) for one in self.replayed) / len(self.replayed)

    def lines(self, *, verbose: bool = False) -> Iterator[str]:
        total, used = len(self.outcomes), self.replayed
        yield f"{len(used)} of {total} recorded requests replayed in {self.seconds:.1f} s"
        for name, told in (("status_ok", "same status"), ("shape_ok", "same status and shape"),
                           ("reason_ok", "same reason phrase"), ("end_ok", "same end of task")):  # fmt: skip
            good = sum(getattr(one, name) for one in used)
            yield f"  {told}: {good}/{len(used)} = {self.share(name):.1%}"
        for why in sorted({one.left_out for one in self.outcomes if one.left_out}):
            yield f"  left out: {sum(one.left_out == why for one in self.outcomes)} ({why})"
        for one in used if verbose else ():
            if one.missing_keys:
                yield f"  keys: {one.record['seq']} {one.record['path']} lacks {sorted(one.missing_keys)}"
        for one in used:
            if not (one.shape_ok and one.reason_ok and one.end_ok):
                yield f"  differs: {_difference(one)}"


def _difference(one: Outcome) -> str:
    record, answer = one.record, one.answer
    if answer is None:
        return ""
    told = json.dumps(record["response"])[:160]
    return (
        f"{record['seq']} {record['label']}: {record['method']} {record['path']} "
        f"{record['status']} {record['reason']!r} {_exit(record['response']) or ''} {told} <> "
        f"{answer.status} {answer.reason!r} {_exit(answer.document) or ''} {answer.body[:160]!r}"
    )


def replay(state: Path) -> Summary:
    started = time.monotonic()
    outcomes = list(Replay(state).run())
    return Summary(outcomes, time.monotonic() - started)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for line in replay(Path(folder)).lines(verbose="-v" in sys.argv):
            sys.stdout.write(line + "\n")

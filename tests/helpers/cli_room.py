"""A hollow node over real HTTPS, and pvekit's command line run against it in this process."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters import ansible
from pvekit.adapters.ansible import ProvisionResult
from pvekit.cli.main import run
from pvekit.provision.apply import ready
from tests.lab.running import Client, RunningLab

GIB = 1 << 30
IMAGE_BYTES = 1 << 20


def qcow2(size: int) -> bytes:
    """Return a qcow2 (version 2) of this virtual size, as far as anybody here reads it."""
    head = b"QFI\xfb\0\0\0\2" + b"\0" * 16 + size.to_bytes(8, "big")
    return head.ljust(4096, b"\0")


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def says(self, *parts: str) -> Result:
        """Assert that every part was said, somewhere."""
        for part in parts:
            assert part in self.text, f"{part!r} is not in:\n{self.text}"
        return self

    def ended(self, code: int) -> Result:
        """Assert the exit code."""
        assert self.code == code, f"exit code {self.code}, not {code}:\n{self.text}"
        return self

    def events(self) -> list[dict[str, Any]]:
        """Return standard output as one JSON object per line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Place:
    """A node, a folder with stack files, and the command line."""

    def __init__(self, lab: RunningLab, folder: Path, secrets: list[str]) -> None:
        self.lab = lab
        self.folder = folder
        self.secrets = secrets
        self.api: Client = lab.client()
        self.url = f"https://127.0.0.1:{lab.server.port}"
        self.fingerprint = lab.lab.fingerprint
        self.token_id = lab.secrets["token_id"]
        self.image = folder / "tiny.qcow2"
        self.image.write_bytes(qcow2(GIB // 4))

    def run(self, *arguments: str | Path, typed: str = "") -> Result:
        """Run a command. No secret may be in what it says, and no traceback."""
        out, err, before = io.StringIO(), io.StringIO(), sys.stdin
        sys.stdin = io.StringIO(typed)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run([str(argument) for argument in arguments])
        finally:
            sys.stdin = before
        result = Result(code, out.getvalue(), err.getvalue())
        for secret in self.secrets:
            assert secret not in result.text, "a secret was shown"
        assert "Traceback" not in result.text
        return result

    def host(self, **fields: str) -> str:
        """Return the ``host:`` section; fields replace its lines."""
        found = {
            "endpoint": self.url,
            "fingerprint": f"'{self.fingerprint}'",
            "token": f"{{id: '{self.token_id}', secret: 'env:PVEKIT_TOKEN'}}",
            **fields,
        }
        return "host:\n" + "".join(f"  {key}: {value}\n" for key, value in found.items() if value)

    def stack(self, name: str, vms: str, *, host: str = "", image: str = "", file: str = "", **defaults: str) -> Path:
        """Write a stack file; ``vms`` is YAML, indented by two."""
        found = {"kind": "debian", "image": "tiny", "storage": "local", "memory": "256MiB", "cores": "1"}
        found |= {"disks": "[{size: 1GiB}]", "updates": "none", **defaults}
        path = self.folder / (file or f"{name}.yaml")
        path.write_text(
            f"pvekit: 1\nname: {name}\n{host or self.host()}"
            "defaults: {" + ", ".join(f"{key}: {value}" for key, value in found.items()) + "}\n"
            f"images: {{tiny: {image or f'{{path: {self.image}}}'}}}\nvms:\n{vms}"
        )
        return path

    def vms(self, stack: str) -> dict[str, dict[str, Any]]:
        """Return the stack's VMs by name, as the node has them."""
        found = {}
        for row in self.api.get("/cluster/resources", type="vm"):
            tags = str(row.get("tags", "")).split(";")
            for tag in tags:
                if match := re.fullmatch(rf"pvekit\.{stack}\.(.+)", tag):
                    found[match[1]] = row
        return found

    def config(self, vmid: int, node: str = "pve") -> dict[str, Any]:
        """Return the configuration of a VM."""
        found: dict[str, Any] = self.api.get(f"/nodes/{node}/qemu/{vmid}/config")
        return found

    def seeds(self, stack: str) -> list[str]:
        """Return the seeds of a stack that are on the node."""
        rows = self.api.get("/nodes/pve/storage/local/content", content="iso")
        return [row["volid"] for row in rows if f"pvekit.{stack}." in row["volid"]]

    def volumes(self) -> set[str]:
        """Return all disks on the node."""
        rows = self.api.get("/nodes/pve/storage/local/content", content="images")
        return {row["volid"] for row in rows}

    def settled(self) -> None:
        """Wait for all tasks of the node."""
        assert self.lab.lab.tasks.wait(20.0)

    def forget(self, vmid: int, node: str = "pve") -> None:
        """Delete a VM by hand."""
        self.lab.wait(self.api.delete(f"/nodes/{node}/qemu/{vmid}"))

    def grant(self, path: str, role: str, **who: str) -> None:
        """Give a role on a path to ``users`` or ``tokens``."""
        answer = self.api.ask("PUT", "/access/acl", {"path": path, "roles": role, **who})
        assert answer.status == 200, answer.body

    @contextlib.contextmanager
    def locked(self, vmid: int, lock: str) -> Iterator[None]:
        """Put a lock on a VM, as a task leaves it that was killed."""
        self._lock(vmid, lock)
        try:
            yield
        finally:
            self._lock(vmid, None)

    def _lock(self, vmid: int, lock: str | None) -> None:
        vms = self.lab.lab.vms
        with vms.locked(vmid):
            vms.save(vms.get(vmid).with_config(lock=lock))

    def wrote(self) -> Callable[[], int]:
        """Return a function that says how many tasks were begun since now."""
        before = len(self.lab.lab.tasks.newest())
        return lambda: len(self.lab.lab.tasks.newest()) - before


@contextlib.contextmanager
def stand_ins(play: Callable[..., ProvisionResult] | None = None) -> Iterator[None]:
    """Put stand-ins at the doors to SSH and Ansible: hollow guests have neither."""

    def no_ssh(*_: Any, **__: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def well(*_: Any, **__: Any) -> ProvisionResult:
        return ProvisionResult((), {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ready, "wait_ssh", no_ssh)
        patch.setattr(ansible, "run", play or well)
        yield


@contextlib.contextmanager
def a_place(
    lab: RunningLab, folder: Path, monkeypatch: pytest.MonkeyPatch, play: Callable[..., ProvisionResult] | None = None
) -> Iterator[Place]:
    """Lend a place: the token in the environment, all of pvekit's own folders below ``folder``, which is entered."""
    monkeypatch.setenv("PVEKIT_TOKEN", lab.secrets["token_secret"])
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("PVEKIT_LAB_STATE", str(folder / "lab"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("PVEKIT_STACK", raising=False)
    monkeypatch.chdir(folder)
    made = Place(lab, folder, [lab.secrets["token_secret"], lab.secrets["password"]])
    with stand_ins(play):
        yield made
    made.api.close()

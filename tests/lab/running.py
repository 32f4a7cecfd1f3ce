"""A lab inside the test's own process, and a plain HTTPS client for it."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pvekit.lab.certificate import certificate
from pvekit.lab.daemon import first_secrets
from pvekit.lab.hollow import HollowDisks, HollowMachines
from pvekit.lab.lab import Lab
from pvekit.lab.server import LabServer
from pvekit.lab.settings import Settings

QCOW2_SIZE = 64 << 20


def qcow2(size: int = QCOW2_SIZE, length: int = 4096) -> bytes:
    """Return the head of a qcow2 file of this virtual size, filled up to a length."""
    return (b"QFI\xfb\0\0\0\3" + b"\0" * 16 + size.to_bytes(8, "big")).ljust(length, b"\0")


@dataclass
class Answer:
    status: int
    reason: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def data(self) -> Any:
        return self.document["data"]


class RunningLab:
    """Starts on construction; ``close`` stops the server, ``restart`` does both with fresh objects."""

    def __init__(self, state: Path, *, shuts_down: bool = True, boot_seconds: float = 0.0, **settings: Any) -> None:
        self.settings = Settings(state=state, **settings)
        self.shuts_down = shuts_down
        self.boot_seconds = boot_seconds
        self.open()

    def open(self) -> None:
        state = self.settings.state
        state.mkdir(parents=True, exist_ok=True)
        machines = HollowMachines(state, boot_seconds=self.boot_seconds, shuts_down=self.shuts_down)
        self.lab = Lab(self.settings, machines, HollowDisks())
        self.secrets = first_secrets(self.lab)
        self.server = LabServer(self.lab, certificate(state, self.settings.nodes[0]))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def restart(self) -> None:
        self.close()
        self.open()

    @property
    def token(self) -> str:
        return f"PVEAPIToken={self.secrets['token_id']}={self.secrets['token_secret']}"

    def client(self) -> Client:
        return Client(self.server.port, {"Authorization": self.token})

    def wait(self, upid: str, seconds: float = 20.0) -> str:
        """Wait for a task and return its exit status."""
        task = self.lab.tasks.get(upid)
        assert task is not None, upid
        assert task.done.wait(seconds), f"{upid} still runs"
        return task.exit


class Client:
    """Keeps one connection."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        self.headers = dict(headers or {})

    def close(self) -> None:
        self.connection.close()

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        prefix: str = "/api2/json",
    ) -> Answer:
        sent = {**self.headers, **(headers or {})}
        target = prefix + quote(path, safe="/:@!=%?&+")
        if body is None and params:
            if method == "GET" or method == "DELETE":
                target += "?" + urlencode(params, doseq=True)
            else:
                body = urlencode(params, doseq=True).encode()
                sent["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, target, body, sent)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.reason, answer.read(), dict(answer.headers))

    def get(self, path: str, /, **params: Any) -> Any:
        return self._data("GET", path, params)

    def post(self, path: str, /, **params: Any) -> Any:
        return self._data("POST", path, params)

    def put(self, path: str, /, **params: Any) -> Any:
        return self._data("PUT", path, params)

    def delete(self, path: str, /, **params: Any) -> Any:
        return self._data("DELETE", path, params)

    def _data(self, method: str, path: str, params: Mapping[str, Any]) -> Any:
        answer = self.ask(method, path, {key.replace("_", "-"): value for key, value in params.items()})
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.reason} {answer.body!r}"
        return answer.data

    def upload(self, storage: str, content: str, name: str, data: bytes, **fields: str) -> Answer:
        body, kind = multipart({"content": content, **fields}, name, data)
        return self.ask("POST", f"/nodes/pve/storage/{storage}/upload", body=body, headers={"Content-Type": kind})


def multipart(fields: Mapping[str, str], name: str, data: bytes) -> tuple[bytes, str]:
    mark = "------------------------pvekit-test"
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="filename"; filename="{name}"\r\n'
    parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", data, f"\r\n--{mark}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={mark}"


def until(check: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)

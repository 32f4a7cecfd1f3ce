"""The HTTPS server: HTTP/1.1 with kept-alive connections, a thread for each of them."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast

from pvekit.lab.body import Bounded, pairs, read_body
from pvekit.lab.call import Upgrade, Upload
from pvekit.lab.certificate import Certificate
from pvekit.lab.dispatch import Answer, Target, aim, as_refusal, refusal, serve
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import Refused, TaskFailed
from pvekit.lab.lab import Lab
from pvekit.lab.router import load
from pvekit.lab.websocket import WebSocket, accept_key

LOG = logging.getLogger(__name__)
PREFIXES = ("/api2/json", "/api2/extjs")
HANDSHAKE_TIMEOUT = 10.0
IDLE_TIMEOUT = 60.0
DRAIN_LIMIT = 8 << 20


class LabServer(ThreadingHTTPServer):
    """Listens on loopback; the TLS handshake happens in the connection's own thread."""

    daemon_threads = True
    request_queue_size = 256
    block_on_close = False

    def __init__(self, lab: Lab, certificate: Certificate, port: int = 0) -> None:
        """Bind; port 0 takes a free one."""
        load()
        self.lab = lab
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.cert_file, certificate.key_file)
        lab.fingerprint = certificate.fingerprint
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then answer what comes over the connection."""
        request.settimeout(HANDSHAKE_TIMEOUT)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError) as failure:
            LOG.debug("handshake with %s failed: %s", client_address, failure)
            return
        wrapped.settimeout(IDLE_TIMEOUT)
        try:
            super().finish_request(wrapped, client_address)
        finally:
            wrapped.close()

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Say in the log what went wrong with a connection; dropped ones are everyday."""
        LOG.debug("connection from %s ended", client_address, exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "pve-api-daemon/3.0"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Keep requests in the debug log."""
        LOG.debug(format, *args)

    def _answer(self) -> None:
        server = cast("LabServer", self.server)
        if server.lab.settings.latency:
            time.sleep(server.lab.settings.latency)
        started = time.monotonic()
        path, _mark, query = self.path.partition("?")
        prefix = next((one for one in PREFIXES if path == one or path.startswith(one + "/")), None)
        if prefix is None:
            self._step_over(self._body())
            self._send(Answer(404, f"no such file '{path}'", None))
            return
        answer = self._run(server.lab, path[len(prefix) :] or "/", query)
        if isinstance(answer, Upgrade):
            self._upgrade(answer)
            return
        self._send(_extjs(answer) if prefix.endswith("extjs") else answer)
        LOG.debug("%s %s -> %d in %.1f ms", self.command, path, answer.status, (time.monotonic() - started) * 1000)

    def _run(self, lab: Lab, path: str, query: str) -> Answer | Upgrade:
        headers = cast("Mapping[str, str]", self.headers)
        body = self._body()
        try:
            target = aim(lab, self.command, path.rstrip("/") or "/", headers)
            values, upload = read_body(body, headers, lab.settings.state / "uploads")
            return self._serve(target, {**pairs(query), **values}, upload)
        except (Refused, TaskFailed, DoorError, OSError) as failure:
            if isinstance(failure, ConnectionError | TimeoutError):
                raise
            self._step_over(body)
            return refusal(as_refusal(failure))

    def _body(self) -> Bounded:
        return Bounded(cast("BinaryIO", self.rfile), int(self.headers.get("Content-Length") or 0))

    def _step_over(self, body: Bounded) -> None:
        """Read what the client still sends, or end the connection after the answer if that is much."""
        if body.left > DRAIN_LIMIT:
            self.close_connection = True
        else:
            body.drain()

    def _serve(self, target: Target, values: dict[str, Any], upload: Upload | None) -> Answer | Upgrade:
        try:
            return serve(target, values, upload)
        finally:
            if upload is not None:
                upload.path.unlink(missing_ok=True)

    def _upgrade(self, upgrade: Upgrade) -> None:
        """Become a WebSocket; the connection ends with it."""
        self.close_connection = True
        key = self.headers.get("Sec-WebSocket-Key", "")
        if not key or "websocket" not in self.headers.get("Upgrade", "").lower():
            self._send(refusal(Refused(400, "not a websocket handshake")))
            return
        self.send_response(101, "Switching Protocols")
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(key))
        if "binary" in self.headers.get("Sec-WebSocket-Protocol", ""):
            self.send_header("Sec-WebSocket-Protocol", "binary")
        self.end_headers()
        self.wfile.flush()
        upgrade.talk(WebSocket(cast("ssl.SSLSocket", self.connection)))

    def _send(self, answer: Answer) -> None:
        data = b"" if answer.document is None else json.dumps(answer.document, ensure_ascii=False).encode()
        self.send_response(answer.status, answer.reason.encode("latin-1", "replace").decode("latin-1"))
        self.send_header("Cache-Control", "max-age=0")
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Pragma", "no-cache")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def _extjs(answer: Answer) -> Answer:
    """Return the answer in the form of ``/api2/extjs``: always 200, the outcome in the body."""
    if answer.document is None:
        return answer
    document = dict(answer.document)
    document.update({"success": int(answer.status == 200), "status": answer.status})
    return Answer(200, "OK", document)

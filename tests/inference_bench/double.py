"""A server that speaks OpenAI's API as somebody else understands it: every oddity is a mode."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Foreign:
    """What the server does. ``dies_after`` counts the requests for an answer."""

    mode: str = "usage"
    tokens: int = 8
    pause: float = 0.0
    key: str = ""
    loading: int = 0
    dies_after: int | None = None
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def chunk(text: str, **more: Any) -> bytes:
    return (
        b"data: "
        + json.dumps({"choices": [{"delta": {"content": text}}], **more}, ensure_ascii=False).encode()
        + b"\n\n"
    )


def parts(foreign: Foreign) -> list[bytes]:
    """Return what is sent, piece by piece."""
    some = [chunk(f"w{index} ") for index in range(foreign.tokens)]
    last = b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":%d}}\n\n' % foreign.tokens
    done = b"data: [DONE]\n\n"
    if foreign.mode == "no-usage":
        return [*some, last, done]
    if foreign.mode == "no-done":
        return [*some, last]
    if foreign.mode == "nothing-at-end":
        return some
    if foreign.mode == "comments":
        return [
            b": keep-alive\n\n",
            *(b": ping\r\n\r\n" + part.replace(b"\n", b"\r\n") for part in some),
            last,
            usage,
            done,
        ]
    if foreign.mode == "split":
        whole = b"".join([chunk("日本語🎉 " * 3) for _ in range(foreign.tokens)] + [last, usage, done])
        return [whole[at : at + 7] for at in range(0, len(whole), 7)]
    if foreign.mode == "reasoning":
        return [part.replace(b'"content"', b'"reasoning_content"') for part in some] + [last, usage, done]
    if foreign.mode == "junk":
        return [
            b"event: x\ndata: {broken\n\n",
            b"data: 7\n\n",
            *some,
            b'data: {"choices": 3, "usage": []}\n\n',
            last,
            usage,
            done,
        ]
    if foreign.mode == "error":
        return [*some[:2], b'data: {"error":{"message":"out of memory, key sk-secret"}}\n\n']
    return [*some, last, usage, done]


@contextlib.contextmanager
def served(foreign: Foreign, tls: tuple[Path, Path] | None = None, port: int = 0) -> Iterator[Foreign]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def _say(self, code: int, body: object) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _refused(self) -> bool:
            foreign.headers.append(dict(self.headers))
            if foreign.key and self.headers.get("Authorization") != f"Bearer {foreign.key}":
                self._say(401, {"error": {"message": f"bad key {self.headers.get('Authorization')}"}})
                return True
            return False

        def do_GET(self) -> None:
            if self.path == "/health" and foreign.loading > 0:
                foreign.loading -= 1
                self._say(503, {"error": {"message": "Loading model"}})
            elif self.path != "/v1/models":
                self._say(404, {"error": "no such thing"})
            elif foreign.mode == "website":
                self._say(200, b"<html>hello</html>")
            elif not self._refused():
                rows = [] if foreign.mode == "no-model" else [{"id": "tiny", "owned_by": "somebody"}]
                self._say(200, {"data": rows})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._refused():
                return
            foreign.asked.append(body)
            if body["model"] != "tiny":
                self._say(404, {"error": {"message": f"model {body['model']} not found"}})
                return
            if foreign.mode == "plain-only" and self.path.endswith("chat/completions"):
                self._say(404, {"error": "not here"})
                return
            dies = foreign.dies_after is not None and len(foreign.asked) > foreign.dies_after
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            if foreign.mode == "close":
                self.send_header("Connection", "close")
                self.close_connection = True
            else:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number, part in enumerate(parts(foreign)):
                time.sleep(foreign.pause)
                self.wfile.write(part if foreign.mode == "close" else b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
                if dies and number == 3:
                    threading.Thread(target=server.shutdown).start()
                    server.socket.close()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
            if foreign.mode != "close":
                self.wfile.write(b"0\r\n\r\n")

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            pass

    server = Quiet(("127.0.0.1", port), Handler)
    scheme = "http"
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    foreign.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield foreign
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

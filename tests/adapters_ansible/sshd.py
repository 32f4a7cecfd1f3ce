"""A small SSH server on loopback, made of paramiko's server half: keys, one command, chosen misbehaviour."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED


class _Server(paramiko.ServerInterface):
    def __init__(self, accepted: paramiko.PKey | None) -> None:
        self.accepted = accepted

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good = self.accepted is not None and username == "anna" and key.asbytes() == self.accepted.asbytes()
        return AUTH_SUCCESSFUL if good else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._execute, args=(channel, command.decode()), daemon=True).start()
        return True

    @staticmethod
    def _execute(channel: paramiko.Channel, command: str) -> None:
        stdin = b""
        while part := channel.recv(65536):
            stdin += part
        done = subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, check=False)
        with contextlib.suppress(OSError):
            channel.sendall(done.stdout)
            channel.sendall_stderr(done.stderr)
            channel.send_exit_status(done.returncode)
            channel.close()


@dataclass
class Served:
    host_key: paramiko.PKey
    accepted: paramiko.PKey | None
    port: int = 0
    mute: int = 0
    attempts: int = 0
    transports: list[paramiko.Transport] = field(default_factory=list)


@contextlib.contextmanager
def ssh_server(host_key: paramiko.PKey, accepted: paramiko.PKey | None, *, mute: int = 0) -> Iterator[Served]:
    """Serve until the context ends. The first ``mute`` connections are closed without a banner."""
    served = Served(host_key, accepted, mute=mute)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served.port = listener.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                served.attempts += 1
                if served.attempts <= served.mute:
                    client.close()
                    continue
                transport = paramiko.Transport(client)
                transport.add_server_key(served.host_key)
                served.transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                    transport.start_server(server=_Server(served.accepted))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for transport in served.transports:
                transport.close()
            thread.join(5)

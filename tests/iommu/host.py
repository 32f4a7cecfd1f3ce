"""The IOMMU host as a test sees it: switched on, spoken to over SSH, and sometimes without power."""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko

from tests.iommu.machine import Machine, management
from tests.iommu.recipe import VISITOR

_BOOT_SECONDS = 600.0
_COMMAND_SECONDS = 900.0


class HostError(AssertionError):
    """The host did not do what it was told; the text has the end of its console."""


class Host:
    """One host with a disk of its own (an overlay over ``image``). ``start`` before, ``close`` after all else."""

    def __init__(self, folder: Path, image: Path, machine: Machine = Machine()) -> None:  # noqa: B008 - frozen
        self.machine = machine
        self.disk = folder / "host.qcow2"
        self.console_log = folder / "console.log"
        self.key = folder / "key"
        self.port = 0
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.client: paramiko.SSHClient | None = None
        self._host_key = folder / "host-key"
        for path in (self.key, self._host_key):
            _quietly("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "iommu-host", "-f", str(path))
        self._seed = folder / "seed.tar"
        self._seed.write_bytes(self._keys())
        self.renew(image)

    @property
    def host_key(self) -> str:
        """Return the line that pins the host's key."""
        return Path(f"{self._host_key}.pub").read_text().strip()

    @property
    def on(self) -> bool:
        """Tell whether it has power and lets us in."""
        return self.client is not None

    def name(self, user: str = "root") -> str:
        """Return the host as pvekit's commands take it."""
        return f"{user}@127.0.0.1:{self.port}"

    def renew(self, image: Path) -> None:
        """Give it a fresh disk over an image. It has to be off."""
        assert self._process is None
        self.disk.unlink(missing_ok=True)
        _quietly("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image), "-o", "lazy_refcounts=on",
                 str(self.disk))  # fmt: skip

    # Power

    def start(self, machine: Machine | None = None) -> float:
        """Switch it on, with other hardware if given, and return the seconds until SSH let us in."""
        assert self._process is None, "it is on"
        self.machine = machine or self.machine
        self.port = _free_port()
        began = time.monotonic()
        with self.console_log.open("ab") as log:
            log.write(b"\n=== power on\n")
        serial = f"file,id=serial,path={self.console_log},append=on"
        argv = ["qemu-system-x86_64", "-name", "iommu-host", *self.machine.argv()]
        argv += management(str(self.disk), self.port, str(self._seed))
        argv += ["-chardev", serial, "-device", "isa-serial,chardev=serial"]
        with (self._folder / "qemu.log").open("ab") as log:
            # It goes when this process goes, whatever ends it
            self._process = subprocess.Popen(
                ["nice", "-n", "10", "setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._enter()
        return time.monotonic() - began

    def reboot(self) -> float:
        """Reboot it as its owner would, and return the seconds until SSH let us in again."""
        before = self.boot_id()
        began = time.monotonic()
        self.sh("systemctl --no-block reboot")
        self._leave()
        self._enter(before)
        return time.monotonic() - began

    def come_back(self) -> None:
        """Log in again, after somebody else restarted it."""
        self._leave()
        self._enter()

    def wait_for_restart(self, before: str) -> None:
        """Wait until it has started anew by itself; ``before`` is the boot that is to be over."""
        self._leave()
        self._enter(before)

    def power_cut(self) -> None:
        """Take its power away, now."""
        self._leave()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Shut it down in order."""
        self.sh("systemctl --no-block poweroff")
        self._leave()
        assert self._process is not None
        try:
            self._process.wait(_BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            raise self._failed("it did not shut down") from None
        self._process = None

    close = power_cut

    # Its shell

    def sh(self, script: str, *, timeout: float = _COMMAND_SECONDS, check: bool = True) -> str:
        """Run a script there as root and return what it prints, standard error after standard output."""
        assert self.client is not None, "it is off"
        try:
            stdin, out, err = self.client.exec_command(script, timeout=timeout)
            stdin.channel.shutdown_write()
            text = out.read().decode(errors="replace") + err.read().decode(errors="replace")
            status = out.channel.recv_exit_status()
        except (OSError, paramiko.SSHException) as error:
            raise self._failed(f"{script}: {error!r}") from error
        if check and status:
            raise self._failed(f"{script} ended with status {status}: {text}")
        return text

    def until(self, script: str, stdin: str, word: str) -> str:
        """Start a script and return as soon as it prints a line; if it ends without, return what it said instead."""
        assert self.client is not None, "it is off"
        writer, out, err = self.client.exec_command(script, timeout=_COMMAND_SECONDS)
        writer.write(stdin)
        writer.channel.shutdown_write()
        said = []
        for line in out:
            if line.strip() == word:
                return ""
            said.append(line)
        return "".join(said) + err.read().decode(errors="replace") or "it ended without a word"

    def timed(self, script: str) -> float:
        """Run a script and return its seconds."""
        began = time.monotonic()
        self.sh(script)
        return time.monotonic() - began

    def put(self, path: str, text: str) -> None:
        """Write a file there, its folders included."""
        assert self.client is not None, "it is off"
        stdin, out, _ = self.client.exec_command(f"mkdir -p '{path.rpartition('/')[0]}' && cat > '{path}'", timeout=120)
        stdin.write(text)
        stdin.channel.shutdown_write()
        if out.channel.recv_exit_status():
            raise self._failed(f"{path} could not be written")

    def boot_id(self) -> str:
        """Return what tells one boot from the next."""
        return self.sh("cat /proc/sys/kernel/random/boot_id").strip()

    def driver(self, bdf: str) -> str:
        """Return the driver that a device is bound to; empty: none."""
        return self.sh(f"basename $(readlink /sys/bus/pci/devices/0000:{bdf}/driver) 2>/dev/null", check=False).strip()

    def console(self, lines: int = 40) -> str:
        """Return the end of what it printed on its serial console."""
        return "\n".join(self.console_log.read_text(errors="replace").splitlines()[-lines:])

    def _enter(self, other_than: str = "") -> None:
        """Log in; ``other_than`` is the boot that is to be over."""
        deadline = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                said = (self._folder / "qemu.log").read_text()[-2000:]
                raise self._failed(f"QEMU ended with {self._process.returncode}: {said}")
            if not _greets(self.port):
                time.sleep(0.3)
                continue
            client = paramiko.SSHClient()
            client.get_host_keys().add(f"[127.0.0.1]:{self.port}", "ssh-ed25519", self._public())
            try:
                client.connect("127.0.0.1", self.port, "root", key_filename=str(self.key), timeout=30,
                               banner_timeout=60, auth_timeout=60, allow_agent=False, look_for_keys=False)  # fmt: skip
                self.client = client
                if self.boot_id() != other_than:
                    return
                time.sleep(2)
            except (OSError, EOFError, paramiko.SSHException, HostError):
                time.sleep(0.5)
            self.client = None
            client.close()
        raise self._failed("nobody answers on SSH")

    def _public(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key_file(str(self._host_key))

    def _leave(self) -> None:
        if self.client is not None:
            with contextlib.suppress(Exception):
                self.client.close()
            self.client = None

    def _failed(self, what: str) -> HostError:
        return HostError(f"{what}\n--- console:\n{self.console()}")

    def _keys(self) -> bytes:
        """Return the archive that lets this run in: it is laid over the root at every start."""
        public = Path(f"{self.key}.pub").read_bytes()
        files = {
            "root/.ssh/authorized_keys": (public, 0o600, 0),
            f"home/{VISITOR}/.ssh/authorized_keys": (public, 0o600, 1000),
            "etc/ssh/ssh_host_ed25519_key": (self._host_key.read_bytes(), 0o600, 0),
            "etc/ssh/ssh_host_ed25519_key.pub": (Path(f"{self._host_key}.pub").read_bytes(), 0o644, 0),
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, (data, mode, owner) in files.items():
                if ".ssh/" in name:
                    folder = tarfile.TarInfo(name.rpartition("/")[0])
                    folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, owner, owner
                    archive.addfile(folder)
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.uid, entry.gid = len(data), mode, owner, owner
                archive.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()


@contextlib.contextmanager
def running(folder: Path, image: Path, machine: Machine = Machine()) -> Iterator[Host]:  # noqa: B008 - frozen
    """Lend a host that is switched on."""
    host = Host(folder, image, machine)
    try:
        host.start()
        yield host
    finally:
        host.close()


def _greets(port: int) -> bool:
    """Tell whether an SSH server answers: QEMU's own network takes the connection long before."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quietly(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{argv[0]}: {done.stderr}"

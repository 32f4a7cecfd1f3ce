"""The programs that make the guest look like Windows from outside: network, agent, SSH."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.standin.guest.system import busybox, load, wait

PROGRAM_DATA = Path("/c/ProgramData")
OURS = PROGRAM_DATA / "pvekit"
SSH = PROGRAM_DATA / "ssh"
HOST_KEY = SSH / "ssh_host_ed25519_key"
# The agent opens a path that does not begin with a slash in the folder it runs in: files there carry Windows paths.
_AGENT_HOME = Path("/agent")
_SERVED = (
    r"C:\ProgramData\pvekit\done.json",
    r"C:\ProgramData\pvekit\first-logon.log",
    r"C:\ProgramData\pvekit\standin.json",
    r"C:\ProgramData\ssh\ssh_host_ed25519_key.pub",
    r"C:\ProgramData\ssh\administrators_authorized_keys",
    r"C:\Windows\Panther\unattend.xml",
)
_SSHD = """\
UsePAM no
UseDNS no
StrictModes no
PasswordAuthentication yes
HostKey /c/ProgramData/ssh/ssh_host_ed25519_key
AuthorizedKeysFile .ssh/authorized_keys
Subsystem sftp /usr/lib/openssh/sftp-server
Match Group administrators
AuthorizedKeysFile /c/ProgramData/ssh/administrators_authorized_keys
"""


def network(host: str) -> None:
    """Bring the network card up and ask for an address; it comes in the background."""
    load("virtio_net")
    busybox("hostname", host)
    busybox("ip", "link", "set", "lo", "up")
    busybox("ip", "link", "set", "eth0", "up")
    subprocess.Popen(
        ["/bin/busybox", "udhcpc", "-i", "eth0", "-s", "/etc/udhcpc.script", "-t", "60", "-T", "1", "-S"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def agent() -> bool:
    """Start the guest agent; return whether it has its port."""
    port = wait(_port, 5.0)
    if port is None:
        return False
    _AGENT_HOME.mkdir(exist_ok=True)
    for name in _SERVED:
        link = _AGENT_HOME / name
        if not link.is_symlink():
            link.symlink_to(Path("/c") / name[3:].replace("\\", "/"))
    _daemon(["/usr/sbin/qemu-ga", "-m", "virtio-serial", "-p", str(port), "-t", "/run"], _AGENT_HOME)
    return True


def _port() -> Path | None:
    for entry in Path("/sys/class/virtio-ports").glob("*/name"):
        if entry.read_text().strip() == "org.qemu.guest_agent.0":
            return Path("/dev") / entry.parent.name
    return None


def agent_runs() -> bool:
    """Return whether the agent is running."""
    return busybox("pidof", "qemu-ga").returncode == 0


def install_ssh() -> None:
    """Make host key and settings, as the OpenSSH package does, and start the server."""
    SSH.mkdir(parents=True, exist_ok=True)
    if not HOST_KEY.exists():
        subprocess.run(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(HOST_KEY)], check=True)
    settings = SSH / "sshd_config"
    if not settings.exists():
        settings.write_text(_SSHD)
    start_ssh()


def start_ssh() -> None:
    """Start the SSH server, or start it anew with its present settings."""
    Path("/run/sshd").mkdir(exist_ok=True)
    busybox("killall", "sshd")
    _daemon(["/usr/sbin/sshd", "-D", "-f", str(SSH / "sshd_config")], Path("/"))


def _daemon(argv: list[str], home: Path) -> None:
    with Path(f"/run/{Path(argv[0]).name}.log").open("ab") as log:
        subprocess.Popen(argv, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

"""A node and a fork server of one's own, stack files for them, and the question whether all is as it should be."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pvekit.model import mark
from pvekit.model.desired import mac_for

VMS = {
    "one": "  one: {}\n",
    "two": "  two: {disks: [{size: 1GiB}, {size: 1GiB, serial: data}]}\n",
    "three": '  three: {password: "env:CHAOS_PASSWORD"}\n',
}
CHANGED = (
    "  two: {cores: 2, description: changed, tags: [blue],"
    " disks: [{size: 2GiB}, {size: 2GiB, serial: data}, {size: 1GiB}]}\n"
)
"""The VM "two", with changes that PVE applies at once, that wait for a restart, that grow disks and make one."""
ALL = "".join(VMS.values())
PASSWORD = "a password nobody may find"
ROOT = Path(__file__).resolve().parents[2]


class Arena:
    """One node and one fork server; everything it holds is in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "node"
        self.image = folder / "tiny.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(self.image), "512M"], check=True)
        self._names = itertools.count()
        self._environment = {
            **os.environ, "XDG_DATA_HOME": str(folder / "data"), "CHAOS_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder),
        }  # fmt: skip
        self._node = self._python("tests.chaos.node", "--state", str(self.state))
        self._facts = self._wait(self.state / "daemon.json")
        self._secrets = json.loads((self.state / "secrets.json").read_text())
        self._environment |= {"CHAOS_TOKEN": self._secrets["token_secret"], "CHAOS_ROOT": self._secrets["password"]}
        self._runner = self._python("tests.chaos.runner")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._door = http.client.HTTPSConnection("127.0.0.1", self._facts["port"], timeout=30, context=context)

    def _python(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        with (self.folder / f"{module}.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, env=self._environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def _wait(self, path: Path) -> dict[str, Any]:
        while not path.exists():
            assert self._node.poll() is None, (self.folder / "tests.chaos.node.log").read_text()
            time.sleep(0.02)
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def close(self) -> None:
        self._door.close()
        for process in (self._runner, self._node):
            assert process.stdin is not None
            process.stdin.close()
            process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()

    def name(self) -> str:
        """Return a stack name that was not used before."""
        return f"s{next(self._names)}"

    def stack(
        self, name: str, vms: str = ALL, *, image: Path | None = None, login: bool = False, read: str = "60s"
    ) -> Path:
        """Write a stack file and return its path. ``read`` is how long to wait for an answer."""
        who = (
            "login: {user: root@pam, password: 'env:CHAOS_ROOT'}"
            if login
            else f"token: {{id: '{self._secrets['token_id']}', secret: 'env:CHAOS_TOKEN'}}"
        )
        path = self.folder / f"{name}.yaml"
        path.write_text(
            f"pvekit: 1\nname: {name}\nhost:\n"
            f"  endpoint: https://127.0.0.1:{self._facts['port']}\n"
            f"  fingerprint: '{self._facts['fingerprint']}'\n  {who}\n"
            f"  timeouts: {{read: {read}}}\n"
            "defaults: {kind: debian, image: tiny, storage: data, memory: 64MiB, cores: 1, disks: [{size: 1GiB}]}\n"
            f"images: {{tiny: {{path: {image or self.image}}}}}\nvms:\n{vms}"
        )
        return path

    def fresh_image(self) -> Path:
        """Return an image with bytes of its own."""
        path = self.folder / f"image-{next(self._names)}.qcow2"
        shutil.copyfile(self.image, path)
        with path.open("ab") as stream:
            stream.write(path.name.encode().ljust(512, b"\0"))
        return path

    def up(self, stack: Path, **order: Any) -> dict[str, Any]:
        """Run `up` and return how it went."""
        assert self._runner.stdin is not None and self._runner.stdout is not None  # noqa: PT018
        self._runner.stdin.write(json.dumps({"stack": str(stack), **order}) + "\n")
        self._runner.stdin.flush()
        line = self._runner.stdout.readline()
        assert line, (self.folder / "tests.chaos.runner.log").read_text()
        found: dict[str, Any] = json.loads(line)
        assert "broken" not in found, found["broken"]
        return found

    def faults(self, profile: dict[str, Any]) -> list[str]:
        """Begin with these faults (none: an empty one) and return what the faults before did."""
        self._door.request("POST", "/chaos/faults", json.dumps(profile))
        told: list[str] = json.loads(self._door.getresponse().read())["told"]
        return told

    @contextlib.contextmanager
    def half_made(self, vmid: int) -> Iterator[None]:
        """Have a VM that is locked for its creation, with no task that goes on with it."""
        for method in ("POST", "DELETE"):
            self._door.request(method, f"/chaos/half/{vmid}")
            self._door.getresponse().read()
            if method == "POST":
                yield

    def look(self, name: str) -> dict[str, Any]:
        """Return all that the node holds of a stack."""
        self._door.request("GET", f"/chaos/state?stack={name}")
        found: dict[str, Any] = json.loads(self._door.getresponse().read())
        return found

    def tasks_about(self, name: str) -> str:
        """Return the logs of the node's tasks that name a stack, in the order in which they ended."""
        logs = sorted((self.state / "tasks").glob("*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(f"{path.stat().st_mtime} {path.name}\n{path.read_text()}" for path in logs
                         if name in re.split(r"[.:/]", path.read_text()))  # fmt: skip

    def settled(self, name: str, *, image: Path | None = None) -> dict[str, Any]:
        """Demand that nothing is left over, and return the VMs in a form that is the same for every stack."""
        found = self.look(name)
        for key in ("stray_images", "half_made", "isos", "hidden", "uploads", "running_unknown"):
            assert found[key] == [], (key, found[key], self.tasks_about(name))
        digest = hashlib.sha256((image or self.image).read_bytes()).hexdigest()[:12]
        assert found["imports"].count(f"tiny-{digest}.qcow2") == 1, found["imports"]
        assert len(set(found["imports"])) == len(found["imports"])
        named = {part for vm in found["vms"] for value in vm["config"].values() for part in re.split(r"[/,]", value)}
        assert [image for image in found["images"] if image not in named] == []
        names = [mark.vm_of(frozenset(vm["config"]["tags"].split(";")), name) or "" for vm in found["vms"]]
        assert len(set(names)) == len(names), names
        return {vm_name: plain(name, vm_name, vm) for vm_name, vm in sorted(zip(names, found["vms"], strict=True))}


def plain(stack: str, name: str, vm: dict[str, Any]) -> dict[str, Any]:
    """Return a VM without what differs between stacks: VMID, MAC, UUIDs, times, keys."""
    config = dict(vm["config"])
    note = mark.read(config.pop("description"))
    assert note is not None
    assert (note.stack, note.vm, note.seed) == (stack, name, "")
    assert note.host_key.startswith("ssh-ed25519 ")
    for key in ("smbios1", "vmgenid", "meta"):
        config.pop(key, None)
    swaps = {mac_for(stack, name, 0): "MAC", f"pvekit.{stack}": "pvekit.S", str(vm["vmid"]): "N"}
    for before, after in swaps.items():
        config = {key: value.replace(before, after) for key, value in config.items()}
    return {
        "config": config,
        "mark": [note.kind, note.stage.value, note.provision],
        **{key: vm[key] for key in ("node", "running", "pending", "deletions", "snapshots")},
    }


@contextlib.contextmanager
def arena() -> Iterator[Arena]:
    """Open an arena in memory where there is such a place: the node syncs every write."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=place) as folder:
        opened = Arena(Path(folder))
        try:
            yield opened
        finally:
            opened.close()

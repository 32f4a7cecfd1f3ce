"""An embedded node with hollow machines, for measurements: no QEMU, real HTTPS, a known latency."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pvekit.adapters import pve as api


@dataclass(frozen=True, slots=True)
class Node:
    """A running node. ``folder`` is the scratch folder of the measurement."""

    folder: Path
    url: str
    fingerprint: str
    token_id: str
    token_secret: str

    def pve(self) -> api.Pve:
        """Return a client of the node."""
        token = api.Token(self.token_id, self.token_secret)
        return api.Pve.open(api.Endpoint((self.url,), api.Trust((self.fingerprint,)), token))

    def stack(self, vms: str, name: str = "bench") -> Path:
        """Write a stack file with these VMs (YAML, indented by two) and return its path."""
        path = self.folder / f"{name}.yaml"
        path.write_text(
            f"pvekit: 1\nname: {name}\n"
            f"host:\n  endpoint: {self.url}\n  fingerprint: '{self.fingerprint}'\n"
            f"  token: {{id: '{self.token_id}', secret: 'env:BENCH_TOKEN'}}\n"
            "  parallel: {storage: 16, node: 16, boot: 64}\n"
            "defaults: {kind: debian, image: tiny, storage: local, memory: 64MiB, cores: 1, disks: [{size: 1GiB}]}\n"
            f"images: {{tiny: {{path: {self.folder / 'tiny.qcow2'}}}}}\n"
            f"vms:\n{vms}"
        )
        os.environ["BENCH_TOKEN"] = self.token_secret
        return path


@contextmanager
def node(*options: str) -> Iterator[Node]:
    """Start a node with these daemon options; stop it and delete everything at the end."""
    with tempfile.TemporaryDirectory(prefix="pvekit-bench-") as place:
        folder = Path(place)
        state = folder / "node"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(folder / "tiny.qcow2"), "1G"], check=True)
        os.environ["XDG_DATA_HOME"] = str(folder / "data")
        command = [sys.executable, "-m", "pvekit.lab.daemon", "--state", str(state), "--hollow", *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                facts = _wait(state / "daemon.json")
                secret = json.loads((state / "secrets.json").read_text())
                url = f"https://127.0.0.1:{facts['port']}"
                yield Node(folder, url, str(facts["fingerprint"]), secret["token_id"], secret["token_secret"])
            finally:
                process.terminate()


def _wait(path: Path) -> dict[str, object]:
    for _ in range(300):
        if path.exists():
            found: dict[str, object] = json.loads(path.read_text())
            return found
        time.sleep(0.1)
    raise SystemExit("the embedded node did not start")

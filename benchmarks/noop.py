"""No-op `pvekit up` of N unchanged VMs, against its limit and against Ansible's community.proxmox.

    python -m benchmarks.noop [--vms 5 20 200] [--latency 20] [--foreign FOLDER]

One run, one node, the same latency on every request. The limit is a bare fetch of the same URLs over kept-alive
connections, eight at once, with no work done on the answers. Start-up is `pvekit up` of the same stack file up to
the first request, so it is what no network can make shorter.
"""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local

from benchmarks.node import Node, node
from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.model.mark import Mark, Stage, write
from pvekit.provision.facts import READERS
from pvekit.workflows.session import read_stack

FOREIGN = Path("build/foreign").absolute()
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, nargs="+", default=[5, 20, 200])
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds added to every request")
    parser.add_argument("--foreign", type=Path, default=FOREIGN, help="what tests.foreign.install made")
    parser.add_argument("--ansible-most", type=int, default=200, help="largest number of VMs that Ansible is asked for")
    options = parser.parse_args()
    print(f"{options.latency:g} ms added to every request; medians of {REPEATS} (Ansible: one run), seconds")
    print(" VMs   limit start-up  pvekit  ratio reads writes  Ansible  times")
    for count in options.vms:
        with node("--latency", str(options.latency)) as place:
            row(place, count, options.foreign if count <= options.ansible_most else None)


def row(place: Node, count: int, foreign: Path | None) -> None:
    names = [f"vm{index:03}" for index in range(count)]
    stack = place.stack("".join(f"  {name}: {{}}\n" for name in names))
    urls = fill(place, stack)
    limit = median(lambda: fetch(place, urls))
    startup = median(lambda: run([sys.executable, "-c", STARTUP, str(stack)]))
    whole = median(lambda: run([sys.executable, "-m", "pvekit.cli", "up", str(stack), "--yes"]))
    reads, writes = count_requests(stack)
    other = run_ansible(place, names, foreign) if foreign else float("nan")
    ratio = whole / (limit + startup)
    ours = f"{count:>4} {limit:7.3f} {startup:8.3f} {whole:7.3f} {ratio:6.2f} {reads:>5} {writes:>6}"
    print(f"{ours} {other:8.1f} {other / whole:6.1f}", flush=True)


# Everything that `pvekit up` does before its first request.
STARTUP = """
import sys
from pathlib import Path
import pvekit.cli.main, pvekit.cli.commands.up, pvekit.cli.show, pvekit.cli.progress, pvekit.workflows.planning
from pvekit import guests
from pvekit.workflows.session import open_session
with open_session(Path(sys.argv[1])) as session:
    [guests.desired(session.stack, vm) for vm in session.stack.vms]
"""


PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - community.proxmox.proxmox_kvm:
        api_host: 127.0.0.1
        api_port: @PORT
        api_user: @USER
        api_token_id: @TOKEN
        api_token_secret: "{{ lookup('env', 'BENCH_TOKEN') }}"
        validate_certs: false
        node: pve
        name: "{{ item.name }}"
        vmid: "{{ item.vmid }}"
        cores: 1
        memory: 64
        update: true
      loop:
"""


def median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(REPEATS))


def run(argv: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def vmid_of(name: str) -> int:
    return 20000 + int(name.removeprefix("vm"))


def fill(place: Node, path: Path) -> list[str]:
    """Make the VMs as a finished `up` leaves them, and return the URLs that a no-op reads."""
    stack = read_stack(path)
    urls = ["/api2/json/cluster/resources"]
    with place.pve() as pve, api.TaskPoller(pve) as poller, ThreadPoolExecutor(8) as pool:

        def make(name: str) -> str:
            vm = guests.desired(stack, stack.vm(name))
            vmid = vmid_of(name)
            mark = Mark(stack.name, name, vm.kind, Stage.READY, provision=vm.provisioning.digest)
            body = {**vm.config, "scsi0": "local:1", "description": write("", mark)}
            begins: list[Callable[[], str]] = [
                lambda: api.create_vm(pve, "pve", vmid, body),
                lambda: api.start(pve, "pve", vmid),
            ]
            for begin in begins:
                result = poller.wait(begin())
                if not result.ok:
                    raise SystemExit(f"{name}: {result.exitstatus}")
            return f"/api2/json/nodes/pve/qemu/{vmid}/pending"

        return urls + list(pool.map(make, [vm.name for vm in stack.vms]))


def fetch(place: Node, urls: Sequence[str]) -> float:
    """Return the seconds that a bare fetch takes: the first URL, then the others side by side."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, _, port = place.url.removeprefix("https://").partition(":")
    headers = {"Authorization": f"PVEAPIToken={place.token_id}={place.token_secret}"}
    mine = local()

    def get(url: str) -> int:
        if not hasattr(mine, "line"):
            mine.line = http.client.HTTPSConnection(host, int(port), context=context)
        mine.line.request("GET", url, headers=headers)
        return len(mine.line.getresponse().read())

    with ThreadPoolExecutor(READERS) as pool:
        begin = time.perf_counter()
        get(urls[0])
        list(pool.map(get, urls[1:]))
        return time.perf_counter() - begin


def count_requests(path: Path) -> tuple[int, int]:
    """Return reads and writes of one no-op run."""
    from pvekit.workflows.planning import make_plan
    from pvekit.workflows.session import open_session

    seen: list[str] = []
    with open_session(path, on_request=lambda method, _path, _params: seen.append(method)) as session:
        if not make_plan(session).plan.empty:
            raise SystemExit("the plan is not empty: this would not measure a no-op")
    return seen.count("GET"), len(seen) - seen.count("GET")


def run_ansible(place: Node, names: Sequence[str], foreign: Path) -> float:
    """Return the seconds that Ansible takes to re-apply the same VMs: present with update, as a person would."""
    book = place.folder / "noop.yml"
    user, _, token = place.token_id.partition("!")
    rows = "".join(f"      - {{name: {name}, vmid: {vmid_of(name)}}}\n" for name in names)
    book.write_text(
        PLAYBOOK.replace("@PORT", place.url.rpartition(":")[2]).replace("@USER", user).replace("@TOKEN", token) + rows
    )
    env = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_PYTHON_INTERPRETER": str(foreign / "bin" / "python")}
    env["ANSIBLE_COLLECTIONS_PATH"] = str(foreign / "collections")
    argv = [str(foreign / "bin" / "ansible-playbook"), "-i", "localhost,", str(book)]
    begin = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"Ansible failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()

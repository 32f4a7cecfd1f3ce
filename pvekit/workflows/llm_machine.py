"""The machine that runs llama.cpp, and the one below it: this one, a host behind SSH, or a VM of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pvekit.adapters.runner import Local, Remote, Runner, with_settings
from pvekit.adapters.ssh import Completed
from pvekit.model.errors import ApiError, GuestNotReady, HostUnreachable, PvekitError
from pvekit.model.missing import Missing
from pvekit.workflows.collect import HERE, Host

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import NodeDoor
    from pvekit.workflows.session import Session
    from pvekit.workflows.status import VmState

_DEFAULT_STACK = "stack.yaml"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where llama.cpp runs. ``node`` runs commands on the PVE node below, where it can be reached.

    ``told`` are facts that PVE itself gives of a VM, ``volume`` the volume that the VM's system lies on, ``no_node``
    why there is no ``node``.
    """

    name: str
    runner: Runner
    node: Runner | None = None
    told: Mapping[str, object] = field(default_factory=dict)
    volume: str = ""
    no_node: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """A node or host behind its own way in, as a Runner."""

    door: NodeDoor

    @property
    def where(self) -> str:
        """Return the node's name."""
        return self.door.node

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a command there; errors as of the door."""
        return self.door.attempt(with_settings(argv, environment), stdin=stdin, timeout=timeout)


def here(environment: Mapping[str, str] | None = None) -> Machine:
    """Return this machine."""
    return Machine(HERE, Local(environment or {}))


@contextmanager
def host(host: Host) -> Iterator[Machine]:
    """Open a host behind SSH, or this machine. Errors as of ``collect``."""
    if host.name == HERE:
        yield here()
        return
    from pvekit.workflows.repair_reach import reach

    door = reach(host).door()
    try:
        yield Machine(host.name, Door(door))
    finally:
        door.close()


@contextmanager
def guest(session: Session, name: str) -> Iterator[Machine]:
    """Open a running VM of the stack, and its node where the stack says how. Errors as of ``access`` and ``ssh``."""
    from pvekit.adapters.ssh import Target, connect
    from pvekit.adapters.sshkeys import parse_host_key
    from pvekit.workflows.access import running
    from pvekit.workflows.places import key_path

    state = running(session, name, address=True)
    if not state.address or not state.host_key:
        raise GuestNotReady(
            f"{name} gives no address or host key", hint=f"Finish its first boot: pvekit up {session.stack.file}"
        )
    target = Target(name, state.address, 22, state.user, (parse_host_key(state.host_key),), key_path())
    with ExitStack() as stack:
        inside = stack.enter_context(connect(target))
        node, why = _node(session, state, stack.callback)
        told, volume = told_by_pve(session, state)
        yield Machine(name, Remote(inside, name), node, told, volume, why)


def _node(session: Session, state: VmState, at_end: Callable[..., object]) -> tuple[Runner | None, str]:
    from pvekit.adapters.nodessh import Nodes
    from pvekit.adapters.sshkeys import HostKeyMismatch

    settings = session.stack.host
    if session.lab or settings is None or settings.ssh is None or state.node not in settings.ssh.nodes:
        return None, f"the stack file says no SSH to the node {state.node} (host: ssh: nodes:)"
    door = Nodes(settings.ssh).door(state.node)
    at_end(door.close)
    try:
        door.attempt(["true"])
    except HostKeyMismatch:
        raise
    except (HostUnreachable, PvekitError) as error:
        return None, error.message
    return Door(door), ""


def told_by_pve(session: Session, state: VmState) -> tuple[Mapping[str, object], str]:
    """Return what PVE knows of a VM (``host.cpu_type`` ...) and the volume of its first disk."""
    from pvekit.adapters import pve as api

    try:
        config = api.guest_config(session.pve, state.node, state.vmid)
        now = api.status(session.pve, state.node, state.vmid)
    except ApiError as error:
        return {"host.cpu_type": Missing("pve", error.message)}, ""
    vcpus = int(config.get("vcpus") or int(config.get("cores", "1")) * int(config.get("sockets", "1")))
    told: dict[str, object] = {"host.cpu_type": cpu_type(config.get("cpu", "")), "host.vcpus": vcpus}
    actual, most = now.get("balloon"), now.get("maxmem")
    if config.get("balloon") == "0":
        told["host.balloon"] = 0
    elif isinstance(actual, (int, float)) and isinstance(most, (int, float)) and actual > 0:
        told["host.balloon"] = max(0, int(most - actual))
    else:
        told["host.balloon"] = Missing("pve", "the VM's balloon has not answered yet")
    told["pve.numa"] = config.get("numa") == "1"
    disks = (config.get(f"{bus}{index}", "") for bus in ("scsi", "virtio", "sata") for index in range(4))
    volumes = (text.partition(",")[0] for text in disks if text and "media=cdrom" not in text)
    return told, next(volumes, "")


def cpu_type(text: str) -> str:
    """Return the type of a VM's ``cpu:``; PVE's default where it says none."""
    first, *rest = text.split(",") if text else ["kvm64"]
    named = next((part.partition("=")[2] for part in (first, *rest) if part.startswith("cputype=")), "")
    return named or (first if "=" not in first else "kvm64")


@contextmanager
def opened(where: Host, *, lab: bool = False) -> Iterator[Machine]:
    """Open what a name means: a VM of the stack, a node of it, a host, or this machine.

    Without ``stack`` the stack file in the working folder is looked at, where there is one. Errors as of ``guest`` and
    ``host``, NotFound.
    """
    from pvekit.workflows.session import open_session, read_stack

    file = where.stack or (Path(_DEFAULT_STACK) if Path(_DEFAULT_STACK).is_file() else None)
    plain = where.name != HERE and "@" not in where.name
    if plain and file is not None and any(vm.name == where.name for vm in read_stack(file).vms):
        with open_session(file, lab=lab) as session, guest(session, where.name) as machine:
            yield machine
        return
    with ExitStack() as stack:
        try:
            machine = stack.enter_context(host(replace(where, stack=file)))
        except PvekitError as error:
            if plain:
                why = "there is no stack.yaml here" if file is None else f"{file} has no such VM"
                error.hint = (
                    f"{error.hint}\n  If {where.name} is a VM: {why}; name its stack file with --stack.".lstrip()
                )
            raise
        yield machine

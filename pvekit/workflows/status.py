"""What the stack's VMs are doing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pvekit import guests
from pvekit.adapters.pve import agent
from pvekit.model.errors import NotFound, PvekitError
from pvekit.model.facts import VmFacts
from pvekit.model.stack import Vm
from pvekit.provision.facts import READERS, read_facts
from pvekit.workflows.session import Session

MISSING = "missing"
STRAY = "not in the stack file"


@dataclass(frozen=True, slots=True)
class VmState:
    """One VM of the stack as it is now. ``vmid`` 0 and ``state`` "missing": it does not exist.

    ``stage`` is how far pvekit has come with it, or that the stack file does not have it any more.
    """

    vm: str
    vmid: int
    node: str
    state: str
    stage: str
    address: str
    host_key: str
    waiting: tuple[str, ...]
    user: str


def look(session: Session) -> tuple[VmState, ...]:
    """Return the state of every VM of the stack, and of those that only carry its tags.

    Every running guest's agent is asked for its address, all at once; a silent agent gives none.
    """
    facts = read_facts(session.pve, session.stack.name, [vm.name for vm in session.stack.vms])
    found = [_state(vm, facts.own.get(vm.name)) for vm in session.stack.vms]
    with ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="agent") as pool:
        states = list(pool.map(lambda state: _with_address(session, state), found))
    return (
        *states,
        *(
            VmState(name, row.vmid, row.node, _power(running=row.running), STRAY, "", "", (), "")
            for name, row in sorted(facts.strays.items())
        ),
    )


def find(session: Session, name: str, *, address: bool = False) -> VmState:
    """Return one VM of the stack that exists; with ``address`` its agent is asked for it. Raises NotFound."""
    stack = session.stack
    vm = next((vm for vm in stack.vms if vm.name == name), None)
    if vm is None:
        names = ", ".join(vm.name for vm in stack.vms)
        raise NotFound(f"the stack has no VM {name}", status=0, where=stack.file, hint=f"It has: {names}")
    own = read_facts(session.pve, stack.name, [name]).own.get(name)
    if own is None:
        raise NotFound(f"{name} does not exist yet", status=0, hint=f"Create it: pvekit up {stack.file} --only {name}")
    state = _state(vm, own)
    return _with_address(session, state) if address else state


def _power(*, running: bool) -> str:
    return "running" if running else "stopped"


def _state(vm: Vm, own: VmFacts | None) -> VmState:
    if own is None:
        return VmState(vm.name, 0, "", MISSING, "", "", "", (), vm.user)
    return VmState(
        vm=vm.name,
        vmid=own.row.vmid,
        node=own.row.node,
        state=_power(running=own.row.running),
        stage=own.mark.stage.value if own.mark else "unmarked",
        address="",
        host_key=own.mark.host_key if own.mark else "",
        waiting=tuple(sorted({*own.pending, *own.removed})),
        user=vm.user,
    )


def _with_address(session: Session, state: VmState) -> VmState:
    """Return the state with the address of the first NIC, as the guest's agent reports it."""
    if state.state != "running":
        return state
    wanted = guests.desired(session.stack, session.stack.vm(state.vm))
    try:
        cards = agent.interfaces(session.pve, state.node, state.vmid)
    except PvekitError:
        return state  # it boots, or has no agent: an unknown address is no failure of a look
    usable = [
        address
        for card in cards
        if wanted.macs and card.mac.upper() == wanted.macs[0].upper()
        for address in card.addresses
        if not address.startswith(("169.254.", "fe80:"))
    ]
    if wanted.static in usable:
        return replace(state, address=wanted.static)
    return replace(state, address=min(usable, key=lambda address: ":" in address, default=""))

"""What the stack's VMs are doing."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit import guests
from pvekit.adapters.pve import agent
from pvekit.model.errors import PvekitError
from pvekit.provision.facts import read_facts
from pvekit.workflows.session import Session


@dataclass(frozen=True, slots=True)
class VmState:
    """One VM of the stack as it is now. ``vmid`` 0 and ``state`` "missing": it does not exist."""

    vm: str
    vmid: int
    node: str
    state: str
    stage: str
    address: str
    host_key: str
    waiting: tuple[str, ...]
    user: str


def look(session: Session, *, addresses: bool = True) -> tuple[VmState, ...]:
    """Return the state of every VM of the stack. With ``addresses`` each running guest's agent is asked once."""
    facts = read_facts(session.pve, session.stack.name, [vm.name for vm in session.stack.vms])
    found: list[VmState] = []
    for vm in session.stack.vms:
        own = facts.own.get(vm.name)
        if own is None:
            found.append(VmState(vm.name, 0, "", "missing", "", "", "", (), vm.user))
            continue
        macs = guests.desired(session.stack, vm).macs
        running = own.row.running
        address = _address(session, own.row.node, own.row.vmid, macs) if addresses and running else ""
        stage = own.mark.stage.value if own.mark else "unmarked"
        key = own.mark.host_key if own.mark else ""
        waiting = tuple(sorted({*own.pending, *own.removed}))
        state = "running" if running else "stopped"
        found.append(VmState(vm.name, own.row.vmid, own.row.node, state, stage, address, key, waiting, vm.user))
    return tuple(found)


def find(session: Session, name: str) -> VmState:
    """Return one VM of the stack that exists. Raises PvekitError otherwise."""
    states = {state.vm: state for state in look(session)}
    if name not in states:
        raise PvekitError(f"the stack has no VM {name}", where=session.stack.file, hint=f"It has: {', '.join(states)}")
    if not states[name].vmid:
        raise PvekitError(f"{name} does not exist yet", hint=f"Create it: pvekit up {session.stack.file} --only {name}")
    return states[name]


def _address(session: Session, node: str, vmid: int, macs: tuple[str, ...]) -> str:
    try:
        cards = agent.interfaces(session.pve, node, vmid)
    except PvekitError:
        return ""
    usable = [
        address
        for card in cards
        if macs and card.mac.upper() == macs[0].upper()
        for address in card.addresses
        if not address.startswith(("169.254.", "fe80:"))
    ]
    return sorted(usable, key=lambda address: ":" in address)[0] if usable else ""

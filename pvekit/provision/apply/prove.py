"""Looks into a guest for the cards that its VM was given: the devices, their memory, their drivers. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pvekit.adapters.pve import agent
from pvekit.adapters.pve.node import PciDevice
from pvekit.engine import Context
from pvekit.model.errors import ApiError, Conflict, GuestNotReady
from pvekit.model.guestpci import Bar, GuestDevice, linux_devices, read_bars, windows_command, windows_devices
from pvekit.model.plan import Action
from pvekit.model.units import MIB, format_size
from pvekit.provision.apply.job import Job
from pvekit.provision.gpus import Card

LIST_FILE = "/proc/bus/pci/devices"
RESOURCE_FILE = "/sys/bus/pci/devices/{}/resource"
_SECONDS = 120.0
_PAUSE = 1.0


def prove(job: Job, action: Action, context: Context) -> None:
    """Look for the VM's cards in its guest, and keep in its mark that they were found. Raises GuestNotReady."""
    vm, live = job.vms[action.vm], job.live[action.vm]
    cards = job.gpus.cards[action.vm]
    _answers(job, action.vm, vm.patience.agent, context)
    windows = vm.install is not None
    present = _windows(job, action.vm) if windows else _linux(job, action.vm, context)

    def regions(device: GuestDevice) -> tuple[Bar, ...] | None:
        if windows:
            return None
        return read_bars(_file(job, action.vm, RESOURCE_FILE.format(device.address), context).splitlines())

    wrong = list(faults(cards, present, regions, context.log))
    proof = "" if wrong else ",".join(sorted(job.gpus.names[action.vm]))
    if live.mark.proof != proof:
        job.remember(action.vm, replace(live.mark, proof=proof))
    if wrong:
        raise GuestNotReady(
            "\n  ".join(wrong),
            where=job.where(action.vm),
            hint=f"What holds it up: pvekit passthrough diagnose root@{live.node} --vm {live.vmid}",
        )


def faults(
    cards: Sequence[Card],
    present: Sequence[GuestDevice],
    regions: Callable[[GuestDevice], tuple[Bar, ...] | None],
    log: Callable[[str], None],
) -> Iterator[str]:
    """Yield what is wrong with the cards, and log what is right. ``regions`` gives None where the guest tells none."""
    left = list(present)
    for card in cards:
        for function in card.functions:
            device = next((found for found in left if found.id == function.id), None)
            what = f"{function.address} of {card.node} ({function.id} {function.name}".rstrip() + ")"
            if device is None:
                yield f"the guest does not see {what}"
                continue
            left.remove(device)
            bars = regions(device)
            wrong = device.wrong if bars is None else _wrong(function, bars)
            if wrong:
                yield f"the guest sees {what} at {device.address}, but {wrong}"
            else:
                log(_told(device, bars, what))


def _wrong(function: PciDevice, bars: Sequence[Bar]) -> str:
    unassigned = sum(not bar.start for bar in bars)
    if unassigned:
        ranges = "its address ranges" if unassigned > 1 else "one of its address ranges"
        return f"{ranges} got no address: the guest's firmware or kernel found no room"
    if all(bar.ports for bar in bars) and (function.display or not bars):
        return "it has no memory there: it does not answer, or the guest found no room for it"
    return ""


def _told(device: GuestDevice, bars: Sequence[Bar] | None, what: str) -> str:
    if bars is None:
        return f"{what}: {device.address}, with {device.driver or 'no driver yet'}"
    sizes = [bar.size for bar in bars if not bar.ports]
    memory = " + ".join(format_size(size) if size % MIB == 0 else f"{size} bytes" for size in sizes)
    return f"{what}: {device.address}, driver {device.driver or 'none yet'}, memory {memory or 'none'}"


def _answers(job: Job, name: str, seconds: float, context: Context) -> None:
    live = job.live[name]
    end = time.monotonic() + seconds
    while not agent.ping(job.pve, live.node, live.vmid):
        if time.monotonic() > end:
            raise GuestNotReady(
                f"the guest agent did not answer within {seconds:.0f} s, so that nobody can say whether its cards work",
                where=job.where(name),
                hint=f"Look at its console: pvekit console {name}. A VM that does not start with a card: "
                f"pvekit passthrough diagnose root@{live.node} --vm {live.vmid}",
            )
        context.sleep(_PAUSE)


def _file(job: Job, name: str, path: str, context: Context) -> str:
    """Return a file of the guest. The agent may be busy for a while."""
    live = job.live[name]
    end = time.monotonic() + _SECONDS
    while True:
        try:
            return agent.read_file(job.pve, live.node, live.vmid, path)
        except (ApiError, Conflict) as error:
            if time.monotonic() > end or (isinstance(error, ApiError) and error.status == 403):
                raise
        context.sleep(_PAUSE)


def _linux(job: Job, name: str, context: Context) -> tuple[GuestDevice, ...]:
    return linux_devices(_file(job, name, LIST_FILE, context))


def _windows(job: Job, name: str) -> tuple[GuestDevice, ...]:
    live = job.live[name]
    ran = agent.run(job.pve, live.node, live.vmid, windows_command(), timeout=_SECONDS, sleep=job.sleep)
    if not ran.ok:
        words = (ran.err.strip() or ran.out.strip()).splitlines()
        raise GuestNotReady(
            f"Windows did not list its devices: {words[0] if words else ran.code}", where=job.where(name)
        )
    return windows_devices(ran.out)

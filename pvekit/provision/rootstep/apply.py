"""Carries root actions out, over SSH on the node. Every one may be done again after it was cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pvekit.adapters.nodessh import NodeDoor, Nodes
from pvekit.engine import Context
from pvekit.model.errors import Conflict, PreflightRefused, TaskFailed
from pvekit.model.nodelook import sha256
from pvekit.model.plan import Action
from pvekit.provision.apply.job import Job
from pvekit.provision.rootstep.header import Header, wrap
from pvekit.provision.rootstep.items import UNITS, VMID
from pvekit.provision.rootstep.plan import Inspect, Work
from pvekit.provision.rootstep.todo import Keys, Put, Take

_INITRAMFS_SECONDS = 1800.0
_MANAGED = frozenset({"affinity", "hugepages"})


class Root:
    """The nodes, what is to be done on them, and who judges disks. Part of a job."""

    def __init__(self, nodes: Nodes, work: Work, inspect: Inspect) -> None:
        """Keep them; nothing is sent."""
        self.nodes = nodes
        self.work = work
        self.inspect = inspect


def root(job: Job, action: Action, context: Context) -> None:
    """Carry one root action out."""
    assert job.root is not None  # noqa: S101 - a plan has such actions only with nodes to do them on
    do = job.root.work.todo[action.id]
    if isinstance(do, Keys):
        _keys(job, job.root, do, context)
    elif isinstance(do, Take):
        take(job.root.nodes.door(do.node), do, context.log)
    else:
        vmid = str(job.live[do.item.vm].vmid) if do.item.vm else ""
        put(job.root.nodes.door(do.item.node), do, job.stack, vmid, context.log)


def put(door: NodeDoor, do: Put, stack: str, vmid: str, log: Callable[[str], None]) -> None:
    """Write an item's files, and make the running system follow them. Raises Conflict, TaskFailed, HostUnreachable."""
    item = do.item
    texts = {path: text.replace(VMID, vmid) for path, text in do.texts.items()}
    if item.initramfs:
        # The header says that the initramfs is still the old one, until it was made anew.
        (body,) = item.texts
        unfinished = wrap(Header(stack, do.before, pending=True), body.body)
        door.put(body.path, unfinished, seen=do.seen[body.path], keep=body.path in do.keep)
        _initramfs(door, log)
        door.put(body.path, texts[body.path], seen=sha256(unfinished), keep=False)
    else:
        for path, text in texts.items():
            door.put(path, text, seen=do.seen[path], keep=path in do.keep)
    for path in texts:
        log(path)
    if any(path.startswith(f"{UNITS}/") for path in texts):
        door.run(["systemd-analyze", "verify", *sorted(texts)])
        door.run(["systemctl", "daemon-reload"])
    for unit, on in item.units.items():
        _switch(door, unit, on=on)
    _set_live(door, item.live)
    if not item.steady:
        _told(door, item.live, log)


def take(door: NodeDoor, do: Take, log: Callable[[str], None]) -> None:
    """Undo an item: units off, files as they were before, live settings as they were before."""
    for timer in do.timers:
        _switch(door, timer, on=False)
    for path, seen in do.seen.items():
        door.take(path, seen=seen)
        log(path)
    if any(path.startswith(f"{UNITS}/") for path in do.seen):
        door.run(["systemctl", "daemon-reload"])
    for unit, state in do.before.items():
        if not unit.startswith("/") and state != "not-found":
            _switch(door, unit, on=state == "enabled")
    # A minimum goes down before its maximum may: the order of writing, turned round.
    _set_live(door, tuple(reversed([pair for pair in do.before.items() if pair[0].startswith("/")])))
    if do.initramfs:
        _initramfs(door, log)


def _initramfs(door: NodeDoor, log: Callable[[str], None]) -> None:
    log("the node's root is on ZFS: making its initramfs anew")
    door.run(["update-initramfs", "-u", "-k", "all"], timeout=_INITRAMFS_SECONDS)


def _switch(door: NodeDoor, unit: str, *, on: bool) -> None:
    if not on:
        door.run(["systemctl", "disable", "--now", unit])
        return
    door.run(["systemctl", "enable", unit])
    # A timer that runs already takes a new calendar in this way.
    door.run(["systemctl", "restart", unit])


def _set_live(door: NodeDoor, live: tuple[tuple[str, str], ...]) -> None:
    """Write settings, those with the same value in one go."""
    groups: dict[str, list[str]] = {}
    for path, value in live:
        groups.setdefault(value, []).append(path)
    for value, paths in groups.items():
        door.set_values(paths, value)


def _told(door: NodeDoor, live: tuple[tuple[str, str], ...], log: Callable[[str], None]) -> None:
    """Say when the node could not do all of it at once: free memory is in pieces."""
    for path, value in live:
        now = door.run(["cat", "--", path]).strip()
        if now != value:
            log(f"{path}: {now} of {value} for now; all of it after the node's next start")


def _keys(job: Job, part: Root, do: Keys, context: Context) -> None:
    live = job.live[do.vm]
    door = part.nodes.door(live.node)
    if do.disk is not None:
        # Between the plan and now somebody may have begun to use it.
        reasons = part.inspect(live.node, [do.disk])
        if reasons:
            raise PreflightRefused(list(reasons), hint="The disk was not attached.")
    if do.key in _MANAGED and do.after is not None:
        # Before the write, so that a run that is cut off in between still knows whose the key is.
        _manage(job, do.vm, do.key, on=True)
    own = job.read(do.vm)
    now = own.wanted.get(do.key)
    if now != do.after:
        if now != do.before:
            raise Conflict(
                f"{do.key} is {now or 'not set'} now, not {do.before or 'unset'} as the plan saw it",
                status=0,
                where=job.where(do.vm),
                hint="Run the same command again.",
            )
        words = ["--delete", do.key] if do.after is None else [f"--{do.key}", do.after]
        set_config(door, live.vmid, words, own.digest, job.where(do.vm))
        context.log(f"{do.key}: {do.after or 'removed'}")
    if do.key in _MANAGED and do.after is None:
        _manage(job, do.vm, do.key, on=False)


def set_config(door: NodeDoor, vmid: int, words: list[str], digest: str, where: str) -> None:
    """Run ``qm set`` on the node. Raises Conflict when the configuration is not the one with that digest any more."""
    done = door.attempt(["qm", "set", str(vmid), *words, "--digest", digest])
    if done.rc == 0:
        return
    said = (done.err.strip() or done.out.strip()).splitlines()
    text = said[-1] if said else f"qm set ended with {done.rc}"
    if "checksum" in text or "locked" in text:
        raise Conflict(text, status=0, where=where, hint="Run the same command again.")
    raise TaskFailed(f"{door.node} refused qm set {words[0]}: {text}", where=where, hint="Nothing was changed.")


def _manage(job: Job, name: str, key: str, *, on: bool) -> None:
    """Keep in the VM's mark which of these keys are pvekit's."""
    mark = job.live[name].mark
    before = {part for part in mark.root.split(",") if part}
    after = before | {key} if on else before - {key}
    if after != before:
        job.remember(name, replace(mark, root=",".join(sorted(after))))

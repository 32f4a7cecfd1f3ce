"""What would be done: the plan, as values.

A plan is a set of actions that need each other. It is made by pure functions and carried out elsewhere, so that
showing it and doing it cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pvekit.model.budget import Budget


class Verb(Enum):
    """What one action does, in the order in which a new VM meets them."""

    HOSTGPU = "hostgpu"
    MAPPING = "mapping"
    IMAGE = "image"
    SEED = "seed"
    CREATE = "create"
    CONFIGURE = "configure"
    RESIZE = "resize"
    ROOT = "root"
    INSTALL = "install"
    START = "start"
    RESTART = "restart"
    STOP = "stop"
    AWAIT = "await"
    SETTLE = "settle"
    UNSEED = "unseed"
    PROVISION = "provision"
    VERIFY = "verify"
    PROVE = "prove"


class Effect(Enum):
    """When a change reaches the guest. Before the write this is a forecast; afterwards PVE's ``/pending`` tells."""

    LIVE = "live"
    RESTART = "needs a restart"
    NEW = "with the first start"


@dataclass(frozen=True, slots=True)
class Change:
    """One field. None for ``before`` means that it is not set, None for ``after`` that it is removed."""

    target: str
    before: str | None
    after: str | None
    effect: Effect = Effect.NEW

    def inverse(self) -> Change:
        """Return the change that undoes this one."""
        return Change(self.target, self.after, self.before, self.effect)


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the plan.

    ``needs`` holds the ids of the actions that must be done before. ``why`` says what makes it necessary,
    ``danger`` what could be lost (empty: nothing). ``digest`` is that of the configuration the plan saw.
    """

    id: str
    verb: Verb
    vm: str
    changes: tuple[Change, ...] = ()
    needs: tuple[str, ...] = ()
    why: str = ""
    danger: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the new and changed VMs take from one node: memory in MiB, threads, disk in bytes by storage."""

    node: str
    memory_mib: int
    memory_used_mib: int
    memory_total_mib: int
    threads: int
    threads_total: int
    disk: Mapping[str, int] = field(default_factory=dict)
    disk_free: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """All actions, what they cost, what the nodes have for them, and what a reader should know beforehand."""

    stack: str
    actions: tuple[Action, ...] = ()
    costs: tuple[Cost, ...] = ()
    notes: tuple[str, ...] = ()
    root_steps: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to do."""
        return not self.actions

    def of(self, vm: str) -> tuple[Action, ...]:
        """Return the actions of one VM, in plan order."""
        return tuple(action for action in self.actions if action.vm == vm)

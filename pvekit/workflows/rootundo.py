"""Undoes the root step: what a stack put onto the nodes goes, what was there before comes back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvekit.engine import Context, Step
from pvekit.provision.rootstep.files import leftovers
from pvekit.provision.rootstep.todo import Take
from pvekit.workflows.rootstep import look_at, ssh_of
from pvekit.workflows.session import Session

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import Nodes


def what_to_undo(session: Session, *, only: Collection[str] = ()) -> tuple[Take, ...]:
    """Return what this stack put onto its nodes; with ``only`` the schedules of these VMs. Nothing is touched.

    Raises HostUnreachable when a node of ``host: ssh:`` does not answer: nobody could say what is left there.
    """
    settings = ssh_of(session)
    if settings is None:
        return ()
    from pvekit.adapters.nodessh import Nodes

    with Nodes(settings) as doors:
        looks = look_at(doors, settings.nodes)
    return tuple(take for look in looks.values() for take in leftovers(session.stack.name, look, (), only))


class Undo:
    """Makes steps of what has to be undone."""

    def __init__(self, doors: Nodes | None) -> None:
        """Keep the nodes; None when there is nothing to undo."""
        self._doors = doors

    def steps(self, takes: Sequence[Take], removals: tuple[str, ...]) -> list[Step]:
        """Return one step per item. What concerns a node itself needs ``removals``, the ids of steps, done."""
        return [
            Step(
                step_id(take),
                take.vm,
                f"undo {take.name} on {take.node}",
                self._runner(take),
                () if take.vm else removals,
                (f"root:{take.node}",),
            )
            for take in takes
        ]

    def before(self, takes: Sequence[Take], vm: str) -> tuple[str, ...]:
        """Return the ids of the steps that have to be done before a VM goes."""
        return tuple(step_id(take) for take in takes if take.vm == vm)

    def _runner(self, take: Take) -> Callable[[Context], None]:
        def run(context: Context) -> None:
            from pvekit.provision.rootstep.apply import take as undo

            assert self._doors is not None  # noqa: S101 - there is something to undo
            undo(self._doors.door(take.node), take, context.log)

        return run


def step_id(take: Take) -> str:
    """Return the id of the step that undoes an item."""
    return f"root:{take.node}:{take.vm}:{take.name}"


@contextmanager
def undoing(session: Session, takes: Sequence[Take]) -> Iterator[Undo]:
    """Open the nodes for as long as something is undone there."""
    settings = ssh_of(session)
    if settings is None or not takes:
        yield Undo(None)
        return
    from pvekit.adapters.nodessh import Nodes

    with Nodes(settings) as doors:
        yield Undo(doors)

"""From a request's parts to an answer: who asks, which handler, may they, are the parameters right."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pvekit.lab import router
from pvekit.lab.access.caller import NOBODY
from pvekit.lab.authenticate import authenticate
from pvekit.lab.call import Call, Reply, Upgrade, Upload
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import Refused, TaskFailed, bad_map, broken
from pvekit.lab.params import Param, plain, verify

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, reason phrase and JSON document; None for an empty body."""

    status: int
    reason: str
    document: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Target:
    """A request whose route and caller are known, before its body is read."""

    route: router.Route
    call: Call
    path_values: Mapping[str, str]


def aim(lab: Lab, method: str, path: str, headers: Mapping[str, str]) -> Target:
    """Return route and caller of a request; Refused if there is no such route or the caller is unknown."""
    found = router.find(method, path)
    caller = NOBODY
    if found is None or not found[0].public:
        caller = authenticate(lab, method, headers)
    if found is None:
        raise Refused(501, f"Method '{method} {path}' not implemented")
    return Target(found[0], Call(lab, caller, method, path), found[1])


def serve(target: Target, values: Mapping[str, Any], upload: Upload | None) -> Answer | Upgrade:
    """Check and run the request."""
    entry, first = target.route, target.call
    given = {**values, **target.path_values}
    loose = {key: plain(value) for key, value in given.items() if not isinstance(value, list | dict)}
    if entry.check is not None:
        entry.check(Call(first.lab, first.caller, first.method, first.path, loose))
    node = target.path_values.get("node")
    if node is not None and node not in first.lab.settings.nodes and node != "localhost":
        why = f"failed to get address info for: {node}: Name or service not known"
        raise broken(f"hostname lookup '{node}' failed - {why}")
    if node == "localhost":
        given["node"] = first.lab.settings.nodes[0]
    declared: Mapping[str, Param] = entry.declared(list(given))
    scalars, arrays, errors = verify(given, declared)
    if errors:
        raise bad_map(errors)
    call = Call(first.lab, first.caller, first.method, first.path, scalars, arrays, upload)
    result = entry.handler(call)
    if isinstance(result, Upgrade):
        return result
    if isinstance(result, Reply):
        return Answer(200, "OK", {"data": result.data, **result.extra})
    return Answer(200, "OK", {"data": result})


def refusal(failure: Refused) -> Answer:
    """Return the answer that says no."""
    if failure.silent:
        return Answer(failure.status, failure.reason, None)
    told = failure.reason if failure.status == 501 else f"{failure.reason}\n"
    document: dict[str, Any] = {"data": None, "message": told}
    if failure.errors is not None:
        document["errors"] = failure.errors
    return Answer(failure.status, failure.reason.strip().split("\n")[0], document)


def as_refusal(failure: Refused | TaskFailed | DoorError | OSError) -> Refused:
    """Return what a handler's own failure is to the client: PVE dies with the text, which is a 500."""
    return failure if isinstance(failure, Refused) else broken(str(failure))

"""Access lists as PVE evaluates them (pve-access-control: AccessControl.pm ``roles``, RPCEnvironment.pm)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

TOP = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")


@dataclass
class AccessList:
    """Roles, and who has which on which path: ``acl[path][who][role]`` is whether it reaches below."""

    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    acl: dict[str, dict[str, dict[str, bool]]] = field(default_factory=dict)

    def give(self, path: str, who: str, role: str, *, below: bool) -> None:
        self.acl.setdefault(path, {}).setdefault(who, {})[role] = below

    def held(self, who: str, path: str) -> dict[str, bool]:
        """Return what one user or token has by its own entries: deeper ones replace those above."""
        found: dict[str, bool] = {}
        for prefix in _prefixes(path):
            mine = self.acl.get(prefix, {}).get(who, {})
            here = {role: below for role, below in mine.items() if below or prefix == path}
            found = here or found
        privileges: dict[str, bool] = {}
        for role, below in found.items():
            for name in self.roles[role]:
                privileges[name] = below or privileges.get(name, False)
        return privileges

    def effective(self, token: str, path: str) -> dict[str, bool]:
        """Return what a token with privilege separation has: never more than its user."""
        user, own = token.partition("!")[0], self.held(token, path)
        if user == "root@pam":
            return own
        limit = self.held(user, path)
        return {name: below and limit[name] for name, below in own.items() if name in limit}

    def answer(self, token: str) -> dict[str, dict[str, bool]]:
        """Return the answer of ``/access/permissions``: paths without any privilege are left out."""
        found = {path: self.effective(token, path) for path in (*TOP, *self.acl)}
        return {path: held for path, held in found.items() if held}

    def obey(self, lines: Iterable[str]) -> None:
        """Do what pveum lines say. Any other line, or a role name that PVE refuses, is an error."""
        for line in lines:
            match shlex.split(line):
                case ["pveum", "role", "add", role, "--privs", privileges]:
                    assert not role.lower().startswith("pve"), role
                    assert self.roles.setdefault(role, frozenset(privileges.split())) == frozenset(privileges.split())
                case ["pveum", "acl", "modify", path, "--tokens" | "--users", who, "--roles", role, *rest]:
                    assert rest in ([], ["--propagate", "0"])
                    self.give(path, who, role, below=not rest)
                case other:
                    raise AssertionError(f"not a pveum line: {other}")


def _prefixes(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/", *("/" + "/".join(parts[: number + 1]) for number in range(len(parts)))]

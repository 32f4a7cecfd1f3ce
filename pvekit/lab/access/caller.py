"""Who sends a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, perhaps by one of its tokens; an empty ``user`` is nobody (public paths only)."""

    user: str
    token: str = ""

    @property
    def auth_id(self) -> str:
        """Return ``root@pam`` or ``root@pam!ci``."""
        return f"{self.user}!{self.token}" if self.token else self.user

    @property
    def is_root(self) -> bool:
        """Return whether this is root@pam itself: a token of it is not."""
        return self.auth_id == "root@pam"


NOBODY = Caller("")

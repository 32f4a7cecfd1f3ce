"""A reference to a secret. The stack file never holds the secret itself."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("env", "file", "cmd")
"""What a stack file may write."""

KEPT = "kept"
"""Made at random by pvekit when it is first asked for, and kept beside its other files of the stack."""

FORMS = 'Write a reference: "env:NAME", "file:/path" or "cmd:program argument".'


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is to be found: ``env:NAME``, ``file:PATH`` or ``cmd:PROGRAM ARGUMENTS``.

    ``kind`` is env, file or cmd; ``value`` the name, path or command line. ``kept``, which no stack file can write, is
    a secret of pvekit's own making, ``value`` its STACK/VM/NAME. Nothing here is secret.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        """Return the reference as the stack file writes it."""
        return f"{self.kind}:{self.value}"


def parse_secret(text: str) -> SecretRef:
    """Return the reference. ValueError, without the text in it, when it is none (it may be a secret)."""
    kind, colon, value = text.partition(":")
    value = value.strip()
    if not colon or kind not in KINDS or not value:
        raise ValueError("secrets are never written into the stack file")
    return SecretRef(kind, value)

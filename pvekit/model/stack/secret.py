"""A reference to a secret. The stack file never holds the secret itself."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("env", "file", "cmd")
FORMS = 'Write a reference: "env:NAME", "file:/path" or "cmd:program argument".'


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is to be found: ``env:NAME``, ``file:PATH`` or ``cmd:PROGRAM ARGUMENTS``.

    ``kind`` is env, file or cmd; ``value`` the name, path or command line. Nothing here is secret.
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

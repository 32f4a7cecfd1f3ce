"""Makes texts safe inside PowerShell and cmd scripts. What cannot be made safe is refused."""

from __future__ import annotations

import base64
import re

# PowerShell takes the typographic marks for the plain one: each ends a single-quoted text unless it stands twice.
_MARKS = re.compile("(['\u2018\u2019\u201a\u201b])")
_CMD_SAFE = re.compile(r"""[A-Za-z0-9 !#$&'()*+,./:;<=>?@\[\]^_`{|}~-]{1,200}""")


def powershell(text: str) -> str:
    """Return ``text`` as a single-quoted PowerShell literal. ValueError for control characters and line ends."""
    if not text.isprintable():
        raise ValueError("a text with control characters does not go into a script")
    return "'" + _MARKS.sub(r"\1\1", text) + "'"


def cmd_can_quote(text: str) -> bool:
    """Return whether ``set "NAME=text"`` keeps the text as it is in a script in whatever code page."""
    return bool(_CMD_SAFE.fullmatch(text))


def cmd(text: str) -> str:
    """Return ``text`` as it stands inside double quotes in a cmd script.

    ValueError where cmd would change it: quotes, percent signs, and whatever is not printable ASCII.
    """
    if not cmd_can_quote(text):
        raise ValueError('a text with ", %, control or non-ASCII characters does not go into a cmd script')
    return text


def hidden_password(text: str, element: str = "Password") -> str:
    """Return a password as answer files take it with PlainText false: it hides the text, it does not protect it.

    ``element`` is the element that holds it: Password or AdministratorPassword.
    """
    return base64.b64encode((text + element).encode("utf-16-le")).decode()

"""The kinds of values in an answer file, and what makes each wrong.

A complaint is a pair of message and hint; it never quotes a password or a key.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Final

from pvekit.model.answer.finding import near
from pvekit.model.answer.languages import known_languages
from pvekit.model.answer.zones import known_zones
from pvekit.model.errors import PreflightRefused
from pvekit.model.productkey import read_key
from pvekit.model.stack.windows_checks import RESERVED

# Programs that answer files start; one that is nearly called like them is meant to be one of them.
_PROGRAMS = frozenset(
    {
        *(
            "bcdedit",
            "cmd",
            "cscript",
            "diskpart",
            "dism",
            "drvload",
            "msiexec",
            "net",
            "netsh",
            "powercfg",
            "powershell",
        ),
        *("reg", "rundll32", "sc", "schtasks", "setx", "slmgr", "wmic", "wpeutil", "wscript"),
    }
)

Complaint = tuple[str, str]

_PAIR = re.compile(r"[0-9A-Fa-f]{4}:(?:[0-9A-Fa-f]{8}|\{[0-9A-Fa-f-]{36}\}\{[0-9A-Fa-f-]{36}\})")
_COMPUTER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_FORBIDDEN_IN_USER = frozenset('"/\\[]:;|=,+*?<>@%')
_USER_LIMIT = 20
_COMPUTER_LIMIT = 15
_METADATA = ("/IMAGE/NAME", "/IMAGE/INDEX", "/IMAGE/DESCRIPTION")
_ENDS = ("Password", "AdministratorPassword")
_MAY_BE_EMPTY = frozenset({"input", "note", "password"})
"""Kinds whose pages say that an empty element is taken."""


def complain(kind: str, value: str) -> Complaint | None:
    """Return what is wrong with ``value`` as a ``kind`` (see ``components.py``), None when nothing is."""
    name, _, limits = kind.partition(":")
    if not value:
        if name in _MAY_BE_EMPTY:
            return None
        return "the element is empty", "Remove it, or write a value."
    check = _CHECKS.get(name)
    if check is not None:
        return check(value, limits)
    return _choice(value, kind.split("|"))


def _bool(value: str, _limits: str) -> Complaint | None:
    if value in ("true", "false"):
        return None
    return f"{value!r} is neither true nor false", "Write it in small letters."


def _int(value: str, limits: str) -> Complaint | None:
    low, _, high = limits.partition("-")
    # Ordinary digits only: int() takes those of other scripts, and underscores.
    if not re.fullmatch("[0-9]{1,10}", value):
        return f"{value!r} is no number", f"Write {low} to {high}."
    if not int(low) <= int(value) <= int(high):
        return f"{value} is out of range", f"Write {low} to {high}."
    return None


def _text(value: str, limits: str) -> Complaint | None:
    if limits and len(value) > int(limits):
        return f"{len(value)} characters are too many", f"The limit is {limits}."
    return None


def _choice(value: str, words: list[str]) -> Complaint | None:
    if value in words:
        return None
    return f"{value!r} is none of the values", near(value, words) or f"Known: {', '.join(words)}."


def _language(value: str, _limits: str) -> Complaint | None:
    if value in known_languages():
        return None
    return f"Windows knows no language {value!r}", near(value, known_languages()) or "Write for example de-DE."


def _input(value: str, _limits: str) -> Complaint | None:
    for each in value.split(";"):
        word = each.strip()
        if not _PAIR.fullmatch(word) and _language(word, "") is not None:
            return f"{word!r} is no keyboard", "Write language:layout, for example 0407:00000407, or a language tag."
    return None


def _timezone(value: str, _limits: str) -> Complaint | None:
    plain = value.removesuffix("_dstoff")
    if plain in known_zones():
        return None
    hint = near(plain, known_zones())
    if "/" in value:
        hint = "Windows has names of its own: W. Europe Standard Time, not Europe/Berlin."
    return f"Windows knows no time zone {value!r}", hint


def _computer(value: str, _limits: str) -> Complaint | None:
    if value == "*":
        return None
    if len(value) > _COMPUTER_LIMIT:
        return f"{len(value)} characters are too many for a computer name", f"The limit is {_COMPUTER_LIMIT}."
    if not _COMPUTER.fullmatch(value) or value.isdigit():
        return f"{value!r} is no computer name", "Letters, digits and -, not digits alone, no - at the ends."
    return None


def _user(value: str, _limits: str) -> Complaint | None:
    if len(value) > _USER_LIMIT:
        return f"{len(value)} characters are too many for a user name", f"The limit is {_USER_LIMIT}."
    if _FORBIDDEN_IN_USER & set(value) or value.endswith(".") or not value.isprintable():
        return f"{value!r} is no user name", 'None of " / \\ [ ] : ; | = , + * ? < > @ %, no dot at the end.'
    # The built-in Administrator may be named: his password is then the only one set.
    if value.casefold() in RESERVED - {"administrator"}:
        return f"Windows keeps the name {value} for itself", "Choose another one."
    return None


def _groups(value: str, _limits: str) -> Complaint | None:
    if all(part.strip() and part.strip().isprintable() for part in value.split(";")):
        return None
    return "a group without a name", "Write Administrators, or Administrators;Users."


def _key(value: str, _limits: str) -> Complaint | None:
    try:
        read_key(value)
    except PreflightRefused as error:
        return error.reasons[0], error.hint
    if value != value.strip().upper():
        return "the product key is not in capitals", ""
    return None


def _command(value: str, limits: str) -> Complaint | None:
    if len(value) > int(limits):
        return f"the command has {len(value)} characters", f"Windows takes {limits}: put it into a script."
    if value.count('"') % 2:
        return "a quote in the command is not closed", ""
    first = value.split('"')[1] if value.startswith('"') else value.split(maxsplit=1)[0]
    if first.lower().endswith(".msi"):
        return "an MSI is no program", "Write msiexec.exe /i FILE /qn: the commands after it are not run otherwise."
    plain = first.lower().removesuffix(".exe")
    if plain not in _PROGRAMS and (hint := near(plain, _PROGRAMS, 0.8)):
        return f"the program {first} looks misspelt", hint
    if first.lower().endswith(".ps1"):
        return "a PowerShell script is no program", "Write powershell.exe -ExecutionPolicy Bypass -File FILE."
    return None


def _letter(value: str, _limits: str) -> Complaint | None:
    return None if re.fullmatch("[C-Z]", value) else (f"{value!r} is no drive letter", "Write C to Z.")


def _metadata(value: str, _limits: str) -> Complaint | None:
    if value.upper() in _METADATA:
        return None
    return f"{value!r} says nothing about an image", near(value, _METADATA) or f"Known: {', '.join(_METADATA)}."


def _password(_value: str, _limits: str) -> Complaint | None:
    # Whether it is hidden says the element beside it: see rules.py.
    return None


def hidden_text(value: str, element: str) -> str | None:
    """Return the password that a hidden one stands for; None when it is no hidden password of that element."""
    try:
        text = base64.b64decode(value, validate=True).decode("utf-16-le")
    except ValueError:
        return None
    end = element if element in _ENDS else _ENDS[0]
    return text.removesuffix(end) if text.endswith(end) else None


_CHECKS: Final[dict[str, Callable[[str, str], Complaint | None]]] = {
    "bool": _bool,
    "int": _int,
    "text": _text,
    "note": _text,
    "language": _language,
    "input": _input,
    "timezone": _timezone,
    "computer": _computer,
    "user": _user,
    "groups": _groups,
    "key": _key,
    "command": _command,
    "letter": _letter,
    "metadata": _metadata,
    "password": _password,
}

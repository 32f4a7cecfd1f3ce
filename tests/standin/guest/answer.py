"""Reads an answer file as Windows does: strictly, one pass after the other."""

from __future__ import annotations

import base64
import binascii
import xml.etree.ElementTree as ET
from collections.abc import Iterator

_NAMESPACE = "urn:schemas-microsoft-com:unattend"
_PASSES = frozenset(
    ("windowsPE", "offlineServicing", "generalize", "specialize", "auditSystem", "auditUser", "oobeSystem")
)


class Account:
    """A local account; ``admin`` if it is in the group Administrators."""

    def __init__(self, name: str, password: str, groups: str) -> None:
        self.name = name
        self.password = password
        self.admin = "administrators" in groups.casefold().split(";")


class Answer:
    """An answer file. Raises ValueError where Windows would not take it."""

    def __init__(self, data: bytes) -> None:
        try:
            self._root = ET.fromstring(data)
        except (ET.ParseError, LookupError, ValueError) as error:
            raise ValueError(f"the answer file is no XML: {error}") from error
        if self._root.tag != _tag("unattend"):
            raise ValueError(f"its root is {self._root.tag}")
        for settings in self._root.iter(_tag("settings")):
            if settings.get("pass") not in _PASSES:
                raise ValueError(f"there is no pass {settings.get('pass')}")
            for component in settings:
                lacking = {"name", "processorArchitecture", "publicKeyToken", "language", "versionScope"}
                lacking -= set(component.keys())
                if component.tag == _tag("component") and lacking:
                    raise ValueError(f"a component of pass {settings.get('pass')} has no {min(lacking)}")

    def component(self, in_pass: str, name: str) -> ET.Element | None:
        """Return a component of a pass."""
        for settings in self._root.iter(_tag("settings")):
            for component in settings.iter(_tag("component")):
                if settings.get("pass") == in_pass and component.get("name") == name:
                    return component
        return None

    def pe_commands(self) -> list[str]:
        """Return what runs in WinPE, in its order."""
        setup = self.component("windowsPE", "Microsoft-Windows-Setup")
        return _ordered(setup, "RunSynchronousCommand", "Path")

    def logon_commands(self) -> list[str]:
        """Return what runs at the first logon, in its order."""
        return _ordered(self._shell("oobeSystem"), "SynchronousCommand", "CommandLine")

    def computer(self) -> str:
        """Return the name of the computer."""
        shell = self._shell("specialize")
        return _text(shell, "ComputerName") if shell is not None else ""

    def accounts(self) -> list[Account]:
        """Return the local accounts."""
        shell = self._shell("oobeSystem")
        found = shell.iter(_tag("LocalAccount")) if shell is not None else ()
        return [Account(_text(each, "Name"), _password(each), _text(each, "Group")) for each in found]

    def logon(self) -> tuple[str, str] | None:
        """Return name and password of the automatic logon, None if there is none."""
        shell = self._shell("oobeSystem")
        found = shell.find(_tag("AutoLogon")) if shell is not None else None
        if found is None or _text(found, "Enabled") != "true":
            return None
        return _text(found, "Username"), _password(found)

    def _shell(self, in_pass: str) -> ET.Element | None:
        return self.component(in_pass, "Microsoft-Windows-Shell-Setup")


def _ordered(component: ET.Element | None, item: str, text: str) -> list[str]:
    if component is None:
        return []
    found = [(int(_text(each, "Order") or 0), _text(each, text)) for each in component.iter(_tag(item))]
    orders = [order for order, _ in found]
    if len(set(orders)) != len(orders):
        raise ValueError(f"two {item} have the same Order")
    return [command for _, command in sorted(found)]


def _password(holder: ET.Element) -> str:
    """Return a password; with PlainText false it is UTF-16 in base64 with the element's name behind it."""
    element = holder.find(_tag("Password"))
    if element is None:
        return ""
    value = _text(element, "Value")
    if _text(element, "PlainText") != "false":
        return value
    try:
        text = base64.b64decode(value, validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("a hidden password is not base64 of UTF-16") from error
    if not text.endswith("Password"):
        raise ValueError("a hidden password does not end in Password")
    return text.removesuffix("Password")


def _text(parent: ET.Element, name: str) -> str:
    return _first(child.text or "" for child in parent if child.tag == _tag(name))


def _first(texts: Iterator[str]) -> str:
    return next(texts, "").strip()


def _tag(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"

"""Puts the texts of ``file:`` references in their place: public keys, user data, and paths made absolute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from pvekit.model.errors import Problem
from pvekit.model.stack.files import Files, why
from pvekit.model.stack.scalars import check_ssh_key
from pvekit.model.stack.secret import FORMS, SecretRef, parse_secret
from pvekit.model.stack.text import Document, Path, read


@dataclass(slots=True)
class Includer:
    """Reads what a document refers to; what goes wrong is added to ``problems``."""

    document: Document
    files: Files
    problems: list[Problem]

    def ssh_keys(self, keys: list[str], path: Path) -> tuple[str, ...]:
        """Return the keys, ``file:`` references replaced by the keys in the file, each once."""
        found: list[str] = []
        for index, key in enumerate(keys):
            if key.startswith("file:"):
                found.extend(self._keys_of(key.removeprefix("file:").strip(), (*path, index)))
            else:
                found.append(key)
        return tuple(dict.fromkeys(found))

    def _keys_of(self, name: str, path: Path) -> list[str]:
        text = self._read(name, path, "Create a key with ssh-keygen -t ed25519, or write the public key here.")
        if text is None:
            return []
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if not lines:
            self.note(path, f"{name} holds no key", "Name a .pub file.")
        found = []
        for line in lines:
            try:
                found.append(check_ssh_key(line))
            except PydanticCustomError as error:
                self.note(path, f"{name}: {error.message()}", str((error.context or {})["hint"]))
                break
        return found

    def user_data(self, value: object, path: Path) -> dict[str, Any]:
        """Return a cloud-config mapping, read from its file when it is a reference."""
        if isinstance(value, dict):
            self.free_form(self.document, path)
            return value
        name = str(value).removeprefix("file:").strip()
        text = self._read(name, path, "The path is relative to the stack file.")
        if text is None:
            return {}
        if text.startswith("#!"):
            self.note(path, f"{name} is a script, not a cloud-config", "Put it under runcmd: in a cloud-config.")
            return {}
        inner = read(text, name)
        self.problems.extend(inner.problems)
        self.free_form(inner, ())
        if inner.problems:
            return {}
        if not isinstance(inner.data, dict):
            self.note(path, f"{name} is not a mapping", "A cloud-config is a mapping: packages: [..], runcmd: [..] ...")
            return {}
        return inner.data

    def free_form(self, document: Document, path: Path) -> None:
        """Note bare yes/no/on/off where another YAML 1.1 reader would see a boolean."""
        for place in sorted(document.old_booleans, key=lambda found: tuple(map(str, found))):
            if place[: len(path)] == path:
                hint = 'Write true or false, or put it in quotes: "on".'
                self.problems.append(document.problem(place, "yes, no, on and off are ambiguous here", hint))

    def variables(self, value: object, path: Path) -> Any:
        """Return a free value in which every ``{secret: REFERENCE}`` has become a SecretRef."""
        if isinstance(value, dict):
            if value.keys() == {"secret"}:
                return self._secret(value["secret"], (*path, "secret"))
            return {key: self.variables(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.variables(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _secret(self, value: object, path: Path) -> SecretRef | None:
        try:
            return parse_secret(value if isinstance(value, str) else "")
        except ValueError as error:
            self.note(path, str(error), FORMS)
            return None

    def locate(self, name: str, path: Path) -> str:
        """Return the path of an existing file as the rest of the house can use it."""
        try:
            return self.files.locate(name)
        except OSError as error:
            self.note(path, f"cannot use {name}: {why(error)}", "The path is relative to the stack file.")
            return name

    def _read(self, name: str, path: Path, hint: str) -> str | None:
        try:
            return self.files.read(name)
        except (OSError, UnicodeDecodeError) as error:
            self.note(path, f"cannot read {name}: {why(error)}", hint)
            return None

    def note(self, path: Path, message: str, hint: str) -> None:
        """Add a problem at a path of the stack file."""
        self.problems.append(self.document.problem(path, message, hint))

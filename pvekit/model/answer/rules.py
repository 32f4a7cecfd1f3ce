"""Checks that need more than one element: what Setup would ask for, and what does not fit together."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.answer import disks
from pvekit.model.answer.finding import Finding, at
from pvekit.model.answer.kinds import hidden_text
from pvekit.model.answer.tree import Node

Found = Iterator[Finding]

_OOBE = ("HideEULAPage", "HideOnlineAccountScreens", "ProtectYourPC")
_STOPPING = ("shutdown", "wpeutil shutdown", "wpeutil reboot", "restart-computer", "stop-computer")
_SETUP = "Microsoft-Windows-Setup"
_SHELL = "Microsoft-Windows-Shell-Setup"


def component(root: Node, pass_name: str, name: str) -> Node | None:
    """Return a component of a pass, or None."""
    for settings in root.children:
        if settings.attributes.get("pass") == pass_name:
            for node in settings.children:
                if node.attributes.get("name") == name:
                    return node
    return None


def check(root: Node) -> Found:
    """Yield what is missing or does not fit together."""
    yield from _passes(root)
    yield from _setup(root)
    yield from _architecture(root)
    shell = component(root, "oobeSystem", _SHELL)
    if shell is not None:
        yield from _oobe(shell)
        yield from _accounts(root, shell)
        yield from _auto_logon(shell)
    yield from _passwords(root)
    yield from _specialize(root)


def _passes(root: Node) -> Found:
    there = {node.attributes.get("pass") for node in root.children}
    if "windowsPE" not in there:
        hint = "Windows then passes over specialize as well."
        yield at(root, "the pass windowsPE is missing", hint)
    if component(root, "oobeSystem", _SHELL) is None:
        yield at(root, f"{_SHELL} is missing in oobeSystem", "Windows would ask for an account.")


def _setup(root: Node) -> Found:
    if not any(node.attributes.get("pass") == "windowsPE" for node in root.children):
        return
    language = component(root, "windowsPE", "Microsoft-Windows-International-Core-WinPE")
    if language is None:
        yield at(root, "Microsoft-Windows-International-Core-WinPE is missing", "Setup would ask for the language.")
    else:
        for name in ("SetupUILanguage", "InputLocale", "SystemLocale", "UserLocale"):
            if language.child(name) is None:
                yield at(language, f"{name} is missing", "Setup would ask for it.")
    setup = component(root, "windowsPE", _SETUP)
    user = setup.child("UserData") if setup is not None else None
    eula = user.child("AcceptEula") if user is not None else None
    if eula is None or eula.value != "true":
        yield at(eula or user or setup or root, "the licence is not accepted", "Write AcceptEula true in UserData.")
    if setup is not None:
        if setup.child("RunSynchronous") is None:
            for name in ("DiskConfiguration", "ImageInstall"):
                if setup.child(name) is None:
                    yield at(setup, f"{name} is missing", "Setup would ask for it, unless a command does its work.")
        yield from disks.check(setup)


def _architecture(root: Node) -> Found:
    """Yield components of another machine. wow64 goes with amd64; a file for several machines has all of each."""
    nodes = [node for settings in root.children for node in settings.children if node.name == "component"]
    counts: dict[str, int] = {}
    for node in nodes:
        word = node.attributes.get("processorArchitecture", "")
        counts[word] = counts.get(word, 0) + 1
    usual = max(counts, key=lambda word: counts[word], default="")
    identities = {(node.attributes.get("name"), node.attributes.get("processorArchitecture")) for node in nodes}
    for node in nodes:
        word = node.attributes.get("processorArchitecture", "")
        if word not in (usual, "wow64", "") and (node.attributes.get("name"), usual) not in identities:
            yield at(node, f"this component is for {word}, the others are for {usual}", "Windows passes over it.")


def _oobe(shell: Node) -> Found:
    oobe = shell.child("OOBE")
    if oobe is None:
        yield at(shell, "OOBE is missing", "Windows would ask on its first start.")
        return
    skips = any((node := oobe.child(name)) is not None and node.value == "true" for name in _SKIPS)
    for name in _OOBE:
        node = oobe.child(name)
        if (node is None or node.value == "false") and not skips:
            yield at(node or oobe, f"{name} is {'missing' if node is None else 'false'}", "Windows would ask for it.")


_SKIPS = ("SkipMachineOOBE", "SkipUserOOBE")


def _accounts(root: Node, shell: Node) -> Found:
    accounts = shell.child("UserAccounts")
    if accounts is None or not accounts.children:
        yield at(accounts or shell, "there is no account", "Windows would ask for one. Add UserAccounts.")
        return
    people = [node for node in accounts.walk() if node.name == "LocalAccount"]
    machine = component(root, "specialize", _SHELL)
    computer = machine.child("ComputerName") if machine is not None else None
    seen: set[str] = set()
    for person in people:
        name = person.child("Name")
        if name is None:
            continue
        word = name.value.casefold()
        if word in seen:
            yield at(name, f"the user {name.value} stands twice", "Case makes no difference in Windows.")
        if computer is not None and word == computer.value.casefold():
            yield at(name, "a user and the computer have the same name", "Windows refuses that.")
        seen.add(word)
    admins = [node for node in people if "administrators" in _groups_of(node)]
    alone = accounts.child("AdministratorPassword") is None and accounts.child("DomainAccounts") is None
    if people and not admins and alone:
        yield at(accounts, "nobody is an administrator", "Write Group Administrators for one of them.")


def _groups_of(person: Node) -> list[str]:
    group = person.child("Group")
    return [word.strip().casefold() for word in group.value.split(";")] if group is not None else []


def _auto_logon(shell: Node) -> Found:
    logon = shell.child("AutoLogon")
    commands = shell.child("FirstLogonCommands")
    if logon is None:
        if commands is not None:
            yield at(commands, "nobody logs on by himself", "These commands wait for a person: add AutoLogon.")
        return
    name, enabled = logon.child("Username"), logon.child("Enabled")
    if enabled is not None and enabled.value == "false":
        yield at(enabled, "AutoLogon is switched off", "Write true, or remove it.")
    accounts = {
        found.value.casefold(): node
        for node in shell.walk()
        if node.name == "LocalAccount" and (found := node.child("Name")) is not None
    }
    if name is None or not accounts or logon.child("Domain") is not None:
        return
    account = accounts.get(name.value.casefold())
    if account is None and name.value.casefold() != "administrator":
        yield at(name, f"nobody here is called {name.value}", f"There are: {', '.join(accounts)}.")
    if account is not None and _password_of(account) != _password_of(logon):
        yield at(logon.child("Password") or logon, "this is not the password of that account")
    if account is not None and commands is not None and "administrators" not in _groups_of(account):
        yield at(name, f"{name.value} is no administrator", "Windows would ask one before it runs the commands.")


def _password_of(node: Node) -> str | None:
    value, plain = node.find("Password/Value"), node.find("Password/PlainText")
    if value is None:
        return None
    hidden = plain is not None and plain.value == "false"
    return hidden_text(value.value, "Password") if hidden else value.value


def _passwords(root: Node) -> Found:
    for node in root.walk():
        if node.name not in ("Password", "AdministratorPassword"):
            continue
        value, plain = node.child("Value"), node.child("PlainText")
        if value is None:
            continue
        if plain is None:
            if node.child("PlainText") is None and node.parent is not None and node.parent.name == "AutoLogon":
                yield at(node, "PlainText is missing", "Without it, nobody can tell how to read the value.")
        elif plain.value == "false" and value.value and hidden_text(value.value, node.name) is None:
            hint = f"It is base64 of UTF-16LE of the password with {node.name} behind it."
            yield at(value, "this is no hidden password", hint)


def _specialize(root: Node) -> Found:
    deployment = component(root, "specialize", "Microsoft-Windows-Deployment")
    for node in deployment.walk() if deployment is not None else []:
        if node.name == "Path" and any(word in node.value.casefold() for word in _STOPPING):
            yield at(node, "this command stops the machine", "Use WillReboot instead.")

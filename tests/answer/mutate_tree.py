"""Mistakes in the tree: names, places, attributes, what is missing, what is there twice."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

from lxml import etree

SPACE = "urn:schemas-microsoft-com:unattend"
WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
Element = etree._Element
Change = Callable[[random.Random, Element], bool]


def family(change: Change) -> Callable[[random.Random, bytes], bytes | None]:
    """Return a maker of files: the change is made on a parsed copy."""

    def make(rng: random.Random, data: bytes) -> bytes | None:
        root = etree.fromstring(data)
        if not change(rng, root):
            return None
        return etree.tostring(root, xml_declaration=True, encoding="utf-8")

    return make


def tag(name: str) -> str:
    """Return a name with the namespace of answer files."""
    return f"{{{SPACE}}}{name}"


def local(node: Element) -> str:
    """Return an element's name without its namespace."""
    return etree.QName(node).localname


def all_of(root: Element, *names: str) -> list[Element]:
    """Return every element of these names, in file order."""
    return [node for node in root.iter(etree.Element) if local(node) in names]


def pick(rng: random.Random, nodes: list[Element]) -> Element | None:
    """Return one of the elements, None when there is none."""
    return rng.choice(nodes) if nodes else None


def misspell(rng: random.Random, word: str) -> str:
    """Return a word with one slip of the fingers: a letter gone, doubled, or changed places with the next."""
    at = rng.randrange(1, len(word) - 1)
    slip = rng.choice("gds")
    if slip == "g":
        return word[:at] + word[at + 1 :]
    if slip == "d":
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def settings(root: Element) -> list[Element]:
    """Return the elements below components."""
    return [node for part in all_of(root, "component") for node in part.iterdescendants(etree.Element)]


def remove(node: Element) -> bool:
    """Take an element out."""
    parent = node.getparent()
    assert parent is not None
    parent.remove(node)
    return True


def _component_misspelt(rng: random.Random, root: Element) -> bool:
    node = rng.choice(all_of(root, "component"))
    node.set("name", misspell(rng, node.get("name", "")))
    return True


def _component_case(rng: random.Random, root: Element) -> bool:
    node = rng.choice(all_of(root, "component"))
    name = node.get("name", "")
    node.set("name", rng.choice([name.lower(), name.replace("-", "_"), name.replace("Microsoft-Windows-", "")]))
    return True


def _pass_name(rng: random.Random, root: Element) -> bool:
    node = rng.choice(all_of(root, "settings"))
    name = node.get("pass", "")
    wrong = [misspell(rng, name), name.lower(), "setup", "firstLogon", "oobe", "WinPE"]
    node.set("pass", rng.choice(wrong))
    return True


# Component, and passes in which its page does not list it.
_NOT_IN = {
    "Microsoft-Windows-Setup": ("specialize", "oobeSystem"),
    "Microsoft-Windows-International-Core-WinPE": ("specialize", "oobeSystem"),
    "Microsoft-Windows-International-Core": ("windowsPE",),
    "Microsoft-Windows-Deployment": ("windowsPE",),
    "Microsoft-Windows-Shell-Setup": ("windowsPE",),
    "Microsoft-Windows-TerminalServices-LocalSessionManager": ("windowsPE", "oobeSystem"),
    "Networking-MPSSVC-Svc": ("windowsPE",),
}


def _component_moved(rng: random.Random, root: Element) -> bool:
    node = pick(rng, [part for part in all_of(root, "component") if part.get("name") in _NOT_IN])
    if node is None:
        return False
    target = rng.choice(_NOT_IN[node.get("name", "")])
    for place in all_of(root, "settings"):
        if place.get("pass") == target and node.getparent() is not place:
            place.append(node)
            return True
    return False


# Setting, and the pass of the same component to which people move it although its page does not list it.
_SETTING_NOT_IN = {
    "ComputerName": "oobeSystem",
    "UserAccounts": "specialize",
    "OOBE": "specialize",
    "FirstLogonCommands": "specialize",
}


def _setting_moved(rng: random.Random, root: Element) -> bool:
    node = pick(rng, all_of(root, *_SETTING_NOT_IN))
    if node is None:
        return False
    for part in all_of(root, "component"):
        parent = part.getparent()
        assert parent is not None
        home = parent.get("pass") == _SETTING_NOT_IN[local(node)]
        if home and part.get("name") == "Microsoft-Windows-Shell-Setup":
            part.append(node)
            return True
    return False


def _attribute_dropped(rng: random.Random, root: Element) -> bool:
    # versionScope may be left out: nonSxS is its default.
    node = rng.choice(all_of(root, "component", "settings"))
    names = [name for name in map(str, node.attrib) if name != "versionScope"]
    del node.attrib[rng.choice(names)]
    return True


_RENAMED = {
    "pass": ["Pass", "name", "phase"],
    "name": ["Name", "id"],
    "processorArchitecture": ["architecture", "ProcessorArchitecture", "processorArchitecure"],
    "publicKeyToken": ["PublicKeyToken", "publicKey", "publicKeytoken"],
    "language": ["Language", "lang"],
    f"{{{WCM}}}action": ["action", f"{{{WCM}}}Action", f"{{{WCM}}}acton"],
}


def _attribute_renamed(rng: random.Random, root: Element) -> bool:
    node = rng.choice([node for node in root.iter(etree.Element) if set(map(str, node.attrib)) & set(_RENAMED)])
    name = rng.choice([name for name in map(str, node.attrib) if name in _RENAMED])
    value = node.attrib.pop(name)
    node.set(rng.choice(_RENAMED[name]), str(value))
    return True


_WRONG_ATTRIBUTES = {
    "processorArchitecture": ["x64", "amd-64", "x86_64", "i386", "arm64", "neutral", ""],
    "publicKeyToken": ["31bf3856ad364e3", "31bf3856ad364e36", "31bf3856ad36435e", "", "b77a5c561934e089"],
    "language": ["en-US", "nuetral", ""],
    "versionScope": ["SxS", "nonSxs.", "sxs"],
}


def _attribute_value(rng: random.Random, root: Element) -> bool:
    node = rng.choice(all_of(root, "component"))
    name = rng.choice(sorted(_WRONG_ATTRIBUTES))
    node.set(name, rng.choice(_WRONG_ATTRIBUTES[name]))
    return True


def _element_misspelt(rng: random.Random, root: Element) -> bool:
    node = rng.choice([node for node in settings(root) if len(local(node)) > 3])
    node.tag = tag(misspell(rng, local(node)))
    return True


def _element_case(rng: random.Random, root: Element) -> bool:
    node = rng.choice(settings(root))
    name = local(node)
    node.tag = tag(rng.choice([name.lower(), name[0].lower() + name[1:], name.upper()]))
    return True


def _element_synonym(rng: random.Random, root: Element) -> bool:
    """Write what people believe that a setting is called."""
    words = {
        "Username": ["UserName", "User"],
        "ComputerName": ["HostName", "Computer"],
        "TimeZone": ["Timezone", "TimeZoneId"],
        "CommandLine": ["Command", "Path"],
        "Path": ["CommandLine", "Command"],
        "Group": ["Groups", "GroupName"],
        "LogonCount": ["AutoLogonCount", "Count"],
        "HideEULAPage": ["HideEula", "AcceptEula"],
        "DiskID": ["DiskIDD", "Disk", "ID"],
        "Value": ["Password", "Text"],
        "PlainText": ["Plain", "Encoded"],
        "UILanguage": ["Language", "UILang"],
        "AcceptEula": ["AcceptEULA", "EULA"],
        "FirstLogonCommands": ["LogonScripts", "RunOnce"],
    }
    node = pick(rng, all_of(root, *words))
    if node is None:
        return False
    node.tag = tag(rng.choice(words[local(node)]))
    return True


# Without any of these Windows Setup stops or asks, or does not log on.
_NEEDED = (
    *("AcceptEula", "UserData", "UILanguage", "SetupUILanguage", "InputLocale", "Order", "Path", "CommandLine"),
    *("Username", "Enabled", "Value", "PlainText", "UserAccounts", "LocalAccounts", "OOBE", "HideEULAPage"),
    *("HideOnlineAccountScreens", "ProtectYourPC", "AutoLogon", "DiskConfiguration", "ImageInstall", "Key", "Type"),
    *("UserLocale", "SystemLocale"),
)


def _required_dropped(rng: random.Random, root: Element) -> bool:
    name = rng.choice(_NEEDED)
    nodes = all_of(root, name)
    # Those that are needed somewhere only: the key may be left out as a whole, the fallback languages too.
    if name in ("InputLocale", "UILanguage", "UserLocale", "SystemLocale"):
        nodes = [node for node in nodes if "WinPE" in _component_of(node)]
    if name == "Key":
        nodes = [node for node in nodes if local(_parent(node)) == "MetaData"]
    if name == "LocalAccounts" and all_of(root, "AdministratorPassword"):
        nodes = []
    node = pick(rng, nodes)
    return remove(node) if node is not None else False


def _pass_dropped(rng: random.Random, root: Element) -> bool:
    wanted = rng.choice(["windowsPE", "oobeSystem", "Microsoft-Windows-Setup", "WinPE", "shell"])
    for node in all_of(root, "settings", "component"):
        name = node.get("pass") or node.get("name") or ""
        shell = name.endswith("Shell-Setup") and _parent(node).get("pass") == "oobeSystem"
        if name == wanted or (wanted == "WinPE" and name.endswith("Core-WinPE")) or (wanted == "shell" and shell):
            return remove(node)
    return False


def _nesting_swapped(rng: random.Random, root: Element) -> bool:
    """Let a parent and its only group of children change places."""
    pairs = [
        ("UserAccounts", "LocalAccounts"),
        ("DiskConfiguration", "Disk"),
        ("ImageInstall", "OSImage"),
        ("UserData", "ProductKey"),
        ("FirstLogonCommands", "SynchronousCommand"),
        ("RunSynchronous", "RunSynchronousCommand"),
        ("FirewallGroups", "FirewallGroup"),
    ]
    outer_name, inner_name = rng.choice(pairs)
    outer = pick(rng, [node for node in all_of(root, outer_name) if node.find(tag(inner_name)) is not None])
    if outer is None:
        return False
    inner = outer.find(tag(inner_name))
    assert inner is not None
    outer.tag, inner.tag = inner.tag, outer.tag
    return True


def _level_lost(rng: random.Random, root: Element) -> bool:
    """Take one level out: its children stand where it stood."""
    nodes = [node for node in settings(root) if len(node)]
    node = rng.choice(nodes)
    parent = _parent(node)
    place = parent.index(node)
    for number, child in enumerate(list(node)):
        parent.insert(place + number, child)
    return remove(node)


def _pushed_down(rng: random.Random, root: Element) -> bool:
    """Put an element into its neighbour."""
    node = rng.choice(settings(root))
    neighbour = node.getprevious()
    if neighbour is None or local(neighbour) == local(node):
        return False
    neighbour.append(node)
    return True


def _twice(rng: random.Random, root: Element) -> bool:
    names = [
        "ComputerName",
        "TimeZone",
        "UserAccounts",
        "OOBE",
        "AutoLogon",
        "UserData",
        "Group",
        "Path",
        "InputLocale",
    ]
    node = pick(rng, all_of(root, *names))
    if node is None:
        return False
    _parent(node).append(copy.deepcopy(node))
    return True


def _block_twice(rng: random.Random, root: Element) -> bool:
    """Paste a component, a pass or an account a second time."""
    node = rng.choice(all_of(root, "component", "settings", "LocalAccount"))
    _parent(node).append(copy.deepcopy(node))
    return True


def _namespace(rng: random.Random, root: Element) -> bool:
    node = rng.choice(all_of(root, "component", "settings") + settings(root))
    name = local(node)
    node.tag = rng.choice([name, f"{{urn:schemas-microsoft-com:unattended}}{name}", f"{{{WCM}}}{name}"])
    return True


def _machine_mixed(rng: random.Random, root: Element) -> bool:
    nodes = all_of(root, "component")
    node = rng.choice(nodes)
    node.set("processorArchitecture", rng.choice(["x86", "arm64"]))
    return True


def _parent(node: Element) -> Element:
    parent = node.getparent()
    assert parent is not None
    return parent


def _component_of(node: Element) -> str:
    above = [each.get("name", "") for each in node.iterancestors(tag("component"))]
    return above[0] if above else ""


FAMILIES = {
    "component misspelt": family(_component_misspelt),
    "component in another spelling": family(_component_case),
    "component in a wrong pass": family(_component_moved),
    "setting in a wrong pass": family(_setting_moved),
    "pass misnamed": family(_pass_name),
    "pass or component missing": family(_pass_dropped),
    "attribute missing": family(_attribute_dropped),
    "attribute misnamed": family(_attribute_renamed),
    "attribute's value": family(_attribute_value),
    "element misspelt": family(_element_misspelt),
    "element in wrong case": family(_element_case),
    "element by another name": family(_element_synonym),
    "needed element missing": family(_required_dropped),
    "nesting swapped": family(_nesting_swapped),
    "a level lost": family(_level_lost),
    "element in its neighbour": family(_pushed_down),
    "element twice": family(_twice),
    "block pasted twice": family(_block_twice),
    "namespace": family(_namespace),
    "another architecture": family(_machine_mixed),
}

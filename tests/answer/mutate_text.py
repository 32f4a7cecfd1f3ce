"""Mistakes in values, and in the file as a text."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Sequence

from lxml import etree

from tests.answer.mutate_tree import Element, all_of, family, local, misspell, pick, tag

Change = Callable[[random.Random, Element], bool]


def value(names: Sequence[str], wrong: Callable[[random.Random, str], str | None]) -> Change:
    """Return a change of the text of one of the elements. None from ``wrong`` means: not this one."""

    def change(rng: random.Random, root: Element) -> bool:
        node = pick(rng, [each for each in all_of(root, *names) if not len(each)])
        if node is None:
            return False
        text = wrong(rng, node.text or "")
        if text is None:
            return False
        node.text = text
        return True

    return change


def one_of(*texts: str) -> Callable[[random.Random, str], str]:
    """Return a choice among wrong values."""
    return lambda rng, _text: rng.choice(texts)


_BOOLEANS = (
    *("AcceptEula", "PlainText", "Enabled", "HideEULAPage", "HideOnlineAccountScreens", "HideWirelessSetupInOOBE"),
    *("WillWipeDisk", "Extend", "fDenyTSConnections", "Active"),
)
_NUMBERS = ("Order", "LogonCount", "ProtectYourPC", "DiskID", "PartitionID", "Size", "UserAuthentication")
_CHOICES = ("WillShowUI", "Profile", "Type", "Format", "WillReboot", "Letter")
_LANGUAGES = ("UILanguage", "SystemLocale", "UserLocale")


def _order_twice(rng: random.Random, root: Element) -> bool:
    lists = [node for node in root.iter(etree.Element) if len([each for each in node if _order(each) is not None]) > 1]
    node = pick(rng, lists)
    if node is None:
        return False
    orders = [order for each in node if (order := _order(each)) is not None]
    first, second = rng.sample(orders, 2)
    first.text = second.text
    return True


def _order_gap(rng: random.Random, root: Element) -> bool:
    node = pick(rng, all_of(root, "Order"))
    if node is None:
        return False
    node.text = rng.choice(["0", "9", "501", "1000"])
    return True


def _order(node: Element) -> Element | None:
    return node.find(tag("Order"))


def _too_long(rng: random.Random, root: Element) -> bool:
    # The limits of the pages: 1024 characters for what runs at a logon, less for all others.
    names = ("Path", "CommandLine", "ComputerName", "Name", "Username", "Description")
    node = pick(rng, all_of(root, *names))
    if node is None:
        return False
    node.text = (node.text or "") + "x" * (1024 if local(node) == "CommandLine" else 260)
    return True


def _command(rng: random.Random, text: str) -> str | None:
    if ".exe" not in text:
        return None
    wrong = [r"D:\guest-agent\qemu-ga-x86_64.msi", r"E:\setup.ps1", text + ' "', ""]
    return rng.choice(wrong)


def _user(rng: random.Random, text: str) -> str:
    long = text + "-with-a-very-long-name"
    return rng.choice([long, f"{text}@home", f"PC\\{text}", f"{text}/x", f"{text}:", f"{text}.", "Guest", "SYSTEM", ""])


def _user_names(rng: random.Random, root: Element) -> bool:
    names = [node for node in all_of(root, "Name") if node.getparent() is not None]
    node = pick(rng, names)
    if node is None:
        return False
    node.text = _user(rng, node.text or "")
    return True


def _key(rng: random.Random, text: str) -> str | None:
    if "-" not in text or "/" in text:
        return None
    wrong = [
        text[:-1],
        text.replace("-", ""),
        text[:-1] + "0",
        text.replace(text[2], "O", 1),
        "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX",
        "",
        # The public keys of other editions.
        "XGVPP-NMH47-7TTHJ-W3FW7-8HV2C",
        "YNMGQ-8RYV3-4PGQ3-C8XTP-7CFBY",
    ]
    return rng.choice(wrong)


def _language(rng: random.Random, text: str) -> str:
    return rng.choice([text.replace("-", "_"), "en-UK", "German", "xx-XX", text + "-x", "eng-USA"])


def _other_language(rng: random.Random, text: str) -> str | None:
    return rng.choice([each for each in ("fr-FR", "ja-JP", "pl-PL") if each != text])


def _image_name(rng: random.Random, text: str) -> str | None:
    return rng.choice([misspell(rng, text), "Windows 10 Pro", "Pro"]) if text.startswith("Windows") else None


def _hidden(rng: random.Random, text: str) -> str | None:
    """Hide a password wrongly: not at all, in UTF-8, without its end, or with another end."""
    try:
        plain = base64.b64decode(text, validate=True).decode("utf-16-le").removesuffix("Password")
    except ValueError:
        return None
    plain = plain.removesuffix("Administrator")
    wrong = [
        plain + "!",
        base64.b64encode((plain + "Password").encode()).decode(),
        base64.b64encode(plain.encode("utf-16-le")).decode(),
        base64.b64encode((plain + "Passwort").encode("utf-16-le")).decode(),
        text[:-3],
    ]
    return rng.choice(wrong)


def _other_password(rng: random.Random, root: Element) -> bool:
    """Let the automatic logon have another password than the account."""
    logon = pick(rng, all_of(root, "AutoLogon"))
    node = logon.find(f"{tag('Password')}/{tag('Value')}") if logon is not None else None
    plain = logon.find(f"{tag('Password')}/{tag('PlainText')}") if logon is not None else None
    if node is None or plain is None:
        return False
    hidden = base64.b64encode("another onePassword".encode("utf-16-le")).decode()
    node.text = hidden if plain.text == "false" else "another one"
    return True


def _nobody(rng: random.Random, root: Element) -> bool:
    """Let nobody log on, or somebody who is not there, or let nobody be an administrator."""
    what = rng.choice(["user", "enabled", "group", "machine"])
    if what == "user":
        node, text = pick(rng, all_of(root, "Username")), rng.choice(["nobody", "user", "Admin"])
    elif what == "enabled":
        node, text = pick(rng, all_of(root, "Enabled")), "false"
    elif what == "machine":
        node = pick(rng, all_of(root, "Name"))
        text = next((each.text or "" for each in all_of(root, "ComputerName")), "")
    else:
        accounts = [each for each in all_of(root, "Group") if each.text == "Administrators"]
        node, text = (accounts[0] if len(accounts) == 1 else None), "Users"
    if node is None:
        return False
    node.text = text
    return True


def _partitions(rng: random.Random, root: Element) -> bool:
    """Format or install to what is not there, or fill the disk twice."""
    node = pick(rng, all_of(root, "PartitionID", "DiskID", "Size"))
    if node is None:
        return False
    if local(node) == "Size":
        node.tag, node.text = tag("Extend"), "true"
    else:
        node.text = rng.choice(["4", "5", "9"])
    return True


def _does_not_start(rng: random.Random, root: Element) -> bool:
    """Partition the disk validly, but so that UEFI or Windows cannot start from it."""
    changes = [
        ("Type", "EFI", "Primary"),
        ("Format", "FAT32", "NTFS"),
        ("Format", "NTFS", "FAT32"),
        ("Type", "MSR", "EFI"),
    ]
    name, before, after = rng.choice(changes)
    node = pick(rng, [each for each in all_of(root, name) if each.text == before])
    if node is None:
        return False
    node.text = after
    return True


def _program(rng: random.Random, text: str) -> str | None:
    """Misspell the program, or its first switch."""
    words = text.split(" ")
    at = 0 if rng.random() < 0.7 or len(words) < 3 else 1
    if len(words[at]) < 5:
        return None
    return " ".join([*words[:at], misspell(rng, words[at]), *words[at + 1 :]])


def _stops(rng: random.Random, root: Element) -> bool:
    """Restart the machine in the middle of specialize."""
    nodes = [
        path
        for place in all_of(root, "settings")
        if place.get("pass") == "specialize"
        for path in all_of(place, "Path")
    ]
    node = pick(rng, nodes)
    if node is None:
        return False
    node.text = rng.choice(["shutdown.exe /r /t 0", "cmd.exe /c shutdown -s -t 5"])
    return True


def _text(change: Callable[[random.Random, str], str | bytes | None]) -> Callable[[random.Random, bytes], bytes | None]:
    def make(rng: random.Random, data: bytes) -> bytes | None:
        made = change(rng, data.decode())
        return made.encode() if isinstance(made, str) else made

    return make


def _root(rng: random.Random, text: str) -> str:
    """Spoil the head of the file."""
    space = 'xmlns="urn:schemas-microsoft-com:unattend"'
    wcm = "http://schemas.microsoft.com/WMIConfig/2002/State"
    return rng.choice(
        [
            text.replace(f" {space}", "", 1),
            text.replace(space, 'xmlns="urn:schemas-microsoft-com:unatend"', 1),
            text.replace(space, 'xmlns="urn:schemas-microsoft-com:asm.v3"', 1),
            text.replace(wcm, wcm.replace("2002", "2020"), 1),
            text.replace(f' xmlns:wcm="{wcm}"', "", 1),
            text.replace("<unattend ", "<autounattend ", 1).replace("</unattend>", "</autounattend>"),
            text.replace("<unattend ", "<Unattend ", 1).replace("</unattend>", "</Unattend>"),
        ]
    )


def _broken(rng: random.Random, text: str) -> str | bytes:
    """Break the XML as an editor, a template or a shell does."""
    ends = [match.start() for match in re.finditer("</", text)]
    at = rng.choice(ends)
    close = text.index(">", at)
    wrong: list[str | bytes] = [
        text[:at] + text[close + 1 :],
        text[: at + 1] + text[at + 2 :],
        text[:at] + " & more" + text[at:],
        text[:at] + " < 3" + text[at:],
        text.replace('"neutral"', "neutral", 1),
        text.replace('"nonSxS"', "”nonSxS”", 1),
        text.replace('encoding="utf-8"', 'encoding="utf-16"', 1),
        "\n" + text,
        text[: rng.randrange(len(text) // 2, len(text) - 20)],
        text[:at].encode() + b"\xfc" + text[at:].encode(),
        text + text,
        text[:at] + "&nbsp;" + text[at:],
    ]
    return rng.choice(wrong)


def _stray(rng: random.Random, text: str) -> str:
    """Leave something between the elements: half a comment, a template's mark, words."""
    at = rng.choice([match.start() for match in re.finditer("<(?:Order|OOBE|AutoLogon|UserData|component)", text)])
    return text[:at] + rng.choice(["{{ user }}", "TODO", "-->", "//", "$value"]) + text[at:]


FAMILIES = {
    "order number twice": family(_order_twice),
    "order number with a gap": family(_order_gap),
    "neither true nor false": family(
        value(_BOOLEANS, one_of("yes", "no", "maybe", "on", "ture", "wahr", "enabled", ""))
    ),
    "no number": family(value(_NUMBERS, one_of("one", "-1", "1.5", "0x10", "99999999999", "", "1;2", "70000 MB"))),
    "none of the choices": family(
        value(_CHOICES, one_of("Sometimes", "OnErrors", "everything", "EXT4", "Boot", "C:", ""))
    ),
    "too long": family(_too_long),
    "command that does not run": family(value(("Path", "CommandLine"), _command)),
    "computer's name": family(
        value(
            ("ComputerName",),
            one_of("my_pc", "anna's pc", "12345", "-pc", "pc-", "a-name-of-16-char", "pc.home", "%NAME%", ""),
        )
    ),
    "user's name": family(_user_names),
    "product key": family(value(("Key",), _key)),
    "language": family(value(_LANGUAGES, _language)),
    "language that is not there": family(value(("UILanguage",), _other_language)),
    "keyboard": family(
        value(
            ("InputLocale",), one_of("0407-00000407", "0407:407", "0407", "407:407", "german", "de_DE", "0407:0000040z")
        )
    ),
    "time zone": family(
        value(
            ("TimeZone",),
            one_of("Europe/Berlin", "W. Europe Std Time", "CET", "GMT+1", "(UTC+01:00) Berlin", "UTC+1", ""),
        )
    ),
    "image": family(value(("Value", "Key"), _image_name)),
    "password hidden wrongly": family(value(("Value",), _hidden)),
    "another password": family(_other_password),
    "nobody": family(_nobody),
    "partitions": family(_partitions),
    "disk that does not start": family(_does_not_start),
    "program misspelt": family(value(("Path", "CommandLine"), _program)),
    "machine stopped": family(_stops),
    "head of the file": _text(_root),
    "broken XML": _text(_broken),
    "text between elements": _text(_stray),
}

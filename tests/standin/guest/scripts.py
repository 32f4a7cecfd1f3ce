"""Reads what the two scripts on the answer CD say at their heads, and whether Windows could read them at all."""

from __future__ import annotations

import re

_BOM = b"\xef\xbb\xbf"


def pe_values(data: bytes) -> dict[str, str]:
    """Return what the WinPE script sets: names beginning with PVEKIT_. ValueError if cmd could not read the script."""
    _line_ends(data)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError("it has other characters than ASCII") from error
    found = dict(re.findall(r'(?m)^set "(PVEKIT_\w+)=([^"\r\n]*)"\r?$', text))
    lacking = {"PVEKIT_IMAGE", "PVEKIT_DISK_MIN", "PVEKIT_DISK_MAX", "PVEKIT_DRIVERS"} - found.keys()
    if lacking:
        raise ValueError(f"it does not set {min(lacking)}")
    return {name: value.replace("%%", "%") for name, value in found.items()}


def logon_values(data: bytes) -> tuple[list[str], list[str]]:
    """Return steps and SSH keys of the first-logon script. ValueError if PowerShell could not read it."""
    _line_ends(data)
    if not data.startswith(_BOM) and not data.isascii():
        raise ValueError("it has no byte order mark, so PowerShell 5 reads it in the wrong code page")
    text = data.decode("utf-8-sig")
    steps = re.search(r"(?m)^# pvekit-steps: (.+?)\r?$", text)
    if not steps:
        raise ValueError("it has no line '# pvekit-steps:'")
    return steps[1].split(), re.findall(r"(?m)^# pvekit-key: (.+?)\r?$", text)


def _line_ends(data: bytes) -> None:
    if re.search(rb"(?<!\r)\n", data):
        raise ValueError("it has a line that does not end in CR LF")

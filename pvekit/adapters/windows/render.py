"""Writes the answer file and its scripts from the templates under templates/windows."""

from __future__ import annotations

from pvekit.adapters import templates
from pvekit.adapters.data import data_dir
from pvekit.adapters.windows.quoting import cmd, cmd_can_quote, hidden_password, powershell
from pvekit.model.answer.languages import input_locale
from pvekit.model.answer.values import DRIVERS, STEPS, Answer, public_key
from pvekit.model.errors import PreflightRefused
from pvekit.model.productkey import read_key

ANSWER = "autounattend.xml"
PE = "pvekit/pe.cmd"
FIRST_LOGON = "pvekit/first-logon.ps1"
_STATIC = {"pvekit/disk.vbs": "disk.vbs", "pvekit/diskpart.txt": "diskpart.txt"}
_LETTERS = "C D E F G H I J K L M N"
_BOM = b"\xef\xbb\xbf"
PE_COMMAND = (
    f'cmd.exe /c "(for %i in ({_LETTERS}) do @if exist %i:\\pvekit\\pe.cmd call %i:\\pvekit\\pe.cmd)'
    ' & echo PVEKIT FAILED: files: no drive has \\pvekit\\pe.cmd & pause"'
)
LOGON_COMMAND = (
    f'cmd.exe /c "for %i in ({_LETTERS}) do @if exist %i:\\pvekit\\first-logon.ps1 '
    'powershell.exe -NoLogo -NoProfile -ExecutionPolicy Bypass -File %i:\\pvekit\\first-logon.ps1"'
)
SPECIALIZE = (
    (
        r"reg.exe add HKLM\SYSTEM\CurrentControlSet\Control\BitLocker /v PreventDeviceEncryption /t REG_DWORD /d 1 /f",
        "no encryption of the disk by itself",
    ),
    (
        r"reg.exe add HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\OOBE /v BypassNRO /t REG_DWORD /d 1 /f",
        "local accounts without a network",
    ),
    ("net.exe accounts /maxpwage:unlimited", "passwords do not expire"),
)
"""What runs before anybody logs on: command, and what for."""


def render(answer: Answer) -> dict[str, bytes]:
    """Return the files of the answer CD by path: the answer file, the scripts, and what the scripts read.

    Only autounattend.xml holds secrets. Raises PreflightRefused when a text of the stack file has no place in them.
    """
    if not answer.accounts or not answer.accounts[0].admin:
        raise PreflightRefused(["the first account of Windows must be an administrator: it sets Windows up"])
    keys = [public_key(key) for key in answer.ssh_keys]
    if not keys:
        raise PreflightRefused(["there is no SSH key for Windows"], hint="Write ssh_keys: in the stack file.")
    return {
        ANSWER: _crlf(templates.render("windows/autounattend.xml.j2", _answer_values(answer))).encode(),
        PE: _crlf(templates.render("windows/pe.cmd.j2", _pe_values(answer))).encode("ascii"),
        FIRST_LOGON: _BOM + _crlf(templates.render("windows/first-logon.ps1.j2", _logon_values(answer, keys))).encode(),
        **{path: _static(name) for path, name in _STATIC.items()},
    }


def _answer_values(answer: Answer) -> dict[str, object]:
    key = read_key(answer.key.reveal()) if answer.key is not None else None
    return {
        "architecture": answer.architecture,
        "setup_language": answer.setup_language,
        "language": answer.language,
        "locale": answer.locale,
        "input_locale": input_locale(answer.locale, answer.keyboard),
        "pe_command": PE_COMMAND,
        "logon_command": LOGON_COMMAND,
        "specialize": SPECIALIZE,
        "computer": answer.computer,
        "timezone": answer.timezone,
        "rdp": answer.rdp,
        "key": key.text if key else "",
        # The public key of an edition chose the image already; any other one is set in the installed Windows.
        "own_key": key is not None and key.kind != "installation",
        "accounts": [
            {"name": account.name, "admin": account.admin, "password": hidden_password(account.password.reveal())}
            for account in answer.accounts
        ],
    }


def _pe_values(answer: Answer) -> dict[str, object]:
    known = cmd_can_quote(answer.image_name)
    return {
        "image": cmd(answer.image_name) if known else "",
        "index": 0 if answer.by_name and known else answer.image_index,
        "disk_min": answer.disk_min,
        "disk_max": answer.disk_max,
        "drivers": DRIVERS,
        "winpe_drivers": DRIVERS[:2],
    }


def _logon_values(answer: Answer, keys: list[str]) -> dict[str, object]:
    try:
        # Administrators may log on remotely in any case.
        names = [account.name for account in answer.accounts if not account.admin]
        for text in (*names, *keys):
            powershell(text)
    except ValueError as error:
        raise PreflightRefused([f"a user name or SSH key of {answer.computer}: {error}"]) from None
    return {
        "steps": STEPS,
        "keys": keys,
        "rdp": answer.rdp,
        "remote_users": names,
        "updates": answer.updates,
        "ps": powershell,
    }


def _static(name: str) -> bytes:
    return _crlf((data_dir("templates") / "windows" / name).read_text("ascii")).encode("ascii")


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")

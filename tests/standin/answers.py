"""Answer CDs for the stand-in's own tests, made by the same templates that people's answer CDs are made by."""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.adapters.iso import write_iso
from pvekit.adapters.secrets import Secret
from pvekit.adapters.windows import render
from pvekit.model.answer.values import DRIVERS, Account, Answer, disk_range

PASSWORD = "Bär-und-Öl-5"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEeCLyN8cGB0UsTZ2BzjNPfkMmsIvUbtOQOYLrBLCRNW test"
SIZE = 64 << 30


def answer(image: str = "Windows 11 Pro", key: str = KEY) -> Answer:
    """Return what one person wants."""
    least, most = disk_range(SIZE)
    people = (Account("Anna", Secret(PASSWORD), admin=True), Account("Ben Öz", Secret(PASSWORD)))
    return Answer(
        computer="WORK", release=11, edition_id="Professional", image_name=image, image_index=2, setup_language="en-US",
        language="en-US", locale="de-DE", keyboard="de-DE", timezone="W. Europe Standard Time", accounts=people,
        ssh_keys=(key,), disk_min=least, disk_max=most,
    )  # fmt: skip


def files(wanted: Answer) -> dict[str, bytes]:
    """Return the files of the answer CD; drivers and installers are empty ones of the right names."""
    found = dict(render(wanted))
    for name in DRIVERS:
        found |= {f"pvekit/drivers/{name}/{name.lower()}.{kind}": b"made up\r\n" for kind in ("inf", "sys", "cat")}
    return found | {"pvekit/virtio-win-guest-tools.exe": b"MZ", "pvekit/OpenSSH-Win64.msi": b"\xd0\xcf\x11\xe0"}


def cd(contents: Mapping[str, bytes], *, udf: bool = True) -> bytes:
    """Return the CD."""
    return write_iso(contents, "PVEKIT_ANS", udf=udf)

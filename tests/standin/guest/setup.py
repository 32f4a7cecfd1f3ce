"""Windows Setup up to the point where the image is on the disk: what the answer file and pe.cmd make it do."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from tests.standin.guest import cds, disk, options, scripts, wim
from tests.standin.guest.answer import Answer
from tests.standin.guest.screen import Failed, say, title
from tests.standin.guest.system import busybox, evidence, load, power_off, wait

_SOURCES = "sources\\standin"
_DRIVERS = {"vioscsi": "virtio_scsi", "viostor": "virtio_blk"}
_CD_SECONDS = 8.0
_DISK_SECONDS = 5.0
_PE = r"pvekit\pe.cmd"
_NO_ANSWER = "Windows Setup\n  Language to install, time and currency format, keyboard: the answer file was not found."


def run() -> None:
    """Install, then switch the machine off. Raises Failed with the step that cannot go on."""
    title("Windows Setup (stand-in)")
    load("cd")
    media = _media()
    switches = options.load(_need(media, options.ON_CD))
    say(f"Setup CD: drive {media.letter}, {media.kind}")
    answer_cd, data = _answer_file()
    answer = _answer(answer_cd, data, switches)
    script = _pe_script(answer, answer_cd)
    _drivers(answer_cd, script["PVEKIT_DRIVERS"].split(), switches)
    target = _disk(script, switches)
    image = _image(media, script, switches)
    efi, windows = _write(media, target)
    _hand_over(Path(f"{target}3"), data, script, image, switches)
    say(f"{(efi + windows) >> 20} MiB written. Switching off.")
    if switches.get("never_off"):
        _stay()
    power_off()


def _media() -> cds.Cd:
    """Return the CD that Setup itself is on."""

    def look() -> cds.Cd | None:
        return next((cd for cd in cds.cds() if cd.find(_SOURCES)), None)

    found = wait(look, _CD_SECONDS)
    if found is None:
        raise Failed("media", "the Setup CD cannot be read", "A media driver your computer needs is missing.")
    return found


def _need(cd: cds.Cd, path: str) -> Path:
    found = cd.find(path)
    if found is None:
        raise Failed("files", f"{path} is missing on the answer CD {cd.letter}:")
    return found


def _answer_file() -> tuple[cds.Cd, bytes]:
    """Return the first CD with an answer file in its root, under the name that Windows looks for."""

    def look() -> tuple[cds.Cd, Path] | None:
        found = ((cd, cd.find("autounattend.xml")) for cd in cds.cds())
        return next(((cd, path) for cd, path in found if path is not None), None)

    found = wait(look, _CD_SECONDS)
    if found is None:
        raise Failed("answer-file", "no CD has autounattend.xml in its root, under a Joliet or UDF name", _NO_ANSWER)
    cd, path = found
    say(f"answer file: {cd.letter}:\\{path.name}, {cd.kind}")
    return cd, path.read_bytes()


def _answer(cd: cds.Cd, data: bytes, switches: dict[str, Any]) -> Answer:
    try:
        answer = Answer(data[: len(data) // 2] if switches.get("garble_answer") else data)
        answer.accounts(), answer.logon(), answer.logon_commands(), answer.pe_commands()
    except ValueError as error:
        said = f"Windows could not parse or process unattend answer file [{cd.letter}:\\autounattend.xml] for pass "
        raise Failed("answer-file", str(error), said + "[windowsPE]. The answer file is invalid.") from error
    return answer


def _pe_script(answer: Answer, cd: cds.Cd) -> dict[str, str]:
    if not any(_PE in command.casefold() for command in answer.pe_commands()):
        raise Failed("pe", f"no command of pass windowsPE runs {_PE}")
    try:
        script = scripts.pe_values(_need(cd, _PE).read_bytes())
    except ValueError as error:
        raise Failed("pe", f"{_PE}: {error}") from error
    _need(cd, r"pvekit\first-logon.ps1")
    return script


def _drivers(cd: cds.Cd, names: list[str], switches: dict[str, Any]) -> None:
    """Load the drivers that the script names, each from its folder on the answer CD."""
    for name in names:
        folder = cd.find(f"pvekit\\drivers\\{name}")
        kinds = {entry.suffix.casefold() for entry in folder.iterdir()} if folder and folder.is_dir() else set()
        if name == switches.get("lose_driver"):
            kinds = set()
        for kind in (".inf", ".sys"):
            if kind not in kinds:
                raise Failed("drivers", f"{name}{kind} is missing on the answer CD {cd.letter}:")
        if name in _DRIVERS:
            load(_DRIVERS[name])
    say(f"drivers: {' '.join(names)}")


def _disk(script: dict[str, str], switches: dict[str, Any]) -> Path:
    load("disk")
    found = wait(disk.disk_zero, _DISK_SECONDS)
    if found is None:
        raise Failed("disk", "disk 0 is not there")
    if switches.get("used_disk"):
        with found.open("r+b", buffering=0) as file:
            file.write(bytes(510) + b"\x55\xaa")
    size, least, most = disk.size(found), int(script["PVEKIT_DISK_MIN"]), int(script["PVEKIT_DISK_MAX"])
    if not least <= size <= most:
        raise Failed("disk", f"disk 0 has {size} bytes, expected {least} to {most}")
    there = disk.holds(found)
    if there:
        raise Failed("disk", f"disk 0 is not empty: it holds {there}")
    say(f"disk 0: {size >> 20} MiB, empty")
    return found


def _image(media: cds.Cd, script: dict[str, str], switches: dict[str, Any]) -> str:
    """Return the name of the image to apply: by index where the script gives one, else by name."""
    names = switches.get("images") or wim.image_names(_need(media, r"sources\install.wim"))
    index, wanted = int(script.get("PVEKIT_INDEX") or 0), script["PVEKIT_IMAGE"]
    if index:
        if index > len(names):
            raise Failed("image", f"install.wim has no image {index}")
        return str(names[index - 1])
    if wanted not in names:
        raise Failed("image", f"install.wim has no image '{wanted}', but {', '.join(names)}")
    return wanted


def _write(media: cds.Cd, target: Path) -> tuple[int, int]:
    facts = json.loads(_need(media, f"{_SOURCES}\\facts.json").read_text())
    efi, _, windows = disk.write_table(target, facts["efi_bytes"])
    written = disk.write_image(_need(media, f"{_SOURCES}\\efi.ext"), target, efi)
    return written, disk.write_image(_need(media, f"{_SOURCES}\\windows.ext"), target, windows)


def _hand_over(partition: Path, data: bytes, script: dict[str, str], image: str, switches: dict[str, Any]) -> None:
    """Put the answer file, the injected drivers and the switches onto the new drive C:."""
    disk.partitions(Path(re.sub(r"\d$", "", str(partition))))
    if wait(lambda: partition.exists() or None, _DISK_SECONDS) is None:
        raise Failed("boot", "the new partitions cannot be seen")
    if busybox("mount", "-t", "ext4", str(partition), "/c").returncode:
        raise Failed("boot", "the new drive C: cannot be opened")
    panther = Path("/c/Windows/Panther")
    panther.mkdir(parents=True, exist_ok=True)
    (panther / "unattend.xml").write_bytes(data)
    own = Path("/c/standin")
    own.mkdir()
    facts = {"image": image, "drivers": script["PVEKIT_DRIVERS"].split(), **evidence()}
    (own / "setup.json").write_text(json.dumps(facts))
    (own / "options.json").write_text(json.dumps(switches))
    busybox("umount", "/c")


def _stay() -> None:
    while True:
        time.sleep(3600)

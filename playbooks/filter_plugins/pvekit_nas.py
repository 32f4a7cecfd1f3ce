"""Filters of nas.yml: the decision about disks is pvekit's own, also where Ansible runs without it."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

try:
    from pvekit.model import datadisk, diskjudge
except ImportError:
    # Another Python's Ansible: in a checkout pvekit/ is beside playbooks/, in an installation three folders up.
    here = Path(__file__).resolve()
    sys.path += [str(each) for each in (here.parents[2], here.parents[4]) if (each / "pvekit/model").is_dir()]
    from pvekit.model import datadisk, diskjudge


def verdict(lines, pool):
    """Return what may be done with the disks, from the look at them: {do, filesystem, id, devices, command, text}."""
    (document,) = (line.removeprefix("disks ") for line in lines if line.startswith("disks "))
    claim = datadisk.read_claim(pool)
    found = diskjudge.judge(claim, datadisk.read_machine(json.loads(document)))
    made = {"do": type(found).__name__.lower(), "filesystem": "", "id": "", "devices": [], "command": [], "text": ""}
    made |= {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(found).items()}
    if isinstance(found, diskjudge.Create):
        made["command"] = diskjudge.create_command(claim, found)
        made["text"] = " ".join(found.notes)
    elif isinstance(found, diskjudge.Refuse):
        made["text"] = " ".join(found.reasons)
    return made


class FilterModule:
    """What Ansible asks for."""

    def filters(self):
        """Return the filters by name."""
        return {"pvekit_nas_verdict": verdict}

"""Reads PVE's ``first,key=value,...`` texts; what the API has already checked is not judged again."""

from __future__ import annotations

import re
from collections.abc import Mapping

TRUE = frozenset({"1", "on", "yes", "true"})


def options(text: str, default: str = "") -> dict[str, str]:
    """Return the pairs of a property string; a part without ``=`` is the value of ``default``."""
    pairs: dict[str, str] = {}
    for part in text.split(","):
        key, sign, value = part.partition("=")
        if sign:
            pairs[key] = value
        elif part:
            pairs.setdefault(default, part)
    return pairs


def enabled(config: Mapping[str, str], key: str, default: str = "0") -> bool:
    """Return whether a switch (``agent``, ``acpi``) is on; its first value counts."""
    return options(config.get(key, default), "enabled").get("enabled", default).lower() in TRUE


def numbered(config: Mapping[str, str], prefix: str) -> list[tuple[int, str, str]]:
    """Return (number, key, value) of ``net0``, ``net1`` ... in order of number."""
    found = [(int(match[1]), key, config[key]) for key in config if (match := re.fullmatch(rf"{prefix}(\d+)", key))]
    return sorted(found)


def boot_order(config: Mapping[str, str]) -> list[str]:
    """Return the device keys in boot order.

    Without ``order=`` PVE means: the disk named by ``bootdisk`` (or the first one), CDs, network cards; the old form
    ``boot: cdn`` gives the same classes by letter.
    """
    pairs = options(config.get("boot", ""), "legacy")
    if "order" in pairs:
        return [key for key in pairs["order"].split(";") if key in config]
    disks = [key for prefix in ("scsi", "virtio", "sata", "ide") for _, key, _ in numbered(config, prefix)]
    cds = [key for key in disks if options(config[key], "file").get("media") == "cdrom"]
    hard = [key for key in disks if key not in cds]
    first = [config["bootdisk"]] if config.get("bootdisk") in hard else hard[:1]
    classes = {"c": first, "d": cds, "n": [key for _, key, _ in numbered(config, "net")]}
    return [key for letter in pairs.get("legacy", "cdn") for key in classes.get(letter, [])]

"""Module parameters in force: /sys/module/*/parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class Parameters:
    """Values and lines by ``module.parameter``."""

    values: Mapping[str, tuple[str, Line]]


_PATH = r"/sys/module/([\w-]+)/parameters/([\w-]+)"
_ROW = Pattern(rf"\s*{_PATH}\s*(?:[:=]\s*|\s)(.*)")
_SHORT = Pattern(r"\s*([A-Za-z]\w*)\.(\w+)\s*=\s*(.*)")
_HEADING = Pattern(rf"[^/]*{_PATH}[^\w/]*")


def read(sources: Sources) -> Parameters | Missing:
    """Read module_params.txt."""
    lines = sources.of("module_params.txt")
    if isinstance(lines, Missing):
        return lines
    found: dict[str, tuple[str, Line]] = {}
    name = ""
    for line in lines:
        if match := _HEADING.fullmatch(line.text):
            name = f"{match.group(1)}.{match.group(2)}"
        elif match := _ROW.fullmatch(line.text) or _SHORT.fullmatch(line.text):
            found[f"{match.group(1).replace('-', '_')}.{match.group(2)}"] = (match.group(3).strip(), line)
            name = ""
        elif name and line.text.strip() and logs.prompt(line.text) is None:
            found[name.replace("-", "_")] = (line.text.strip(), line)
            name = ""
    if not found and any(line.text.strip() for line in lines):
        return Missing("module_params.txt", "holds no parameter")
    return Parameters(found)

"""What the host's own apt configuration says: where packages come from and through which proxy.

The guest gets the same answers, so that ``apt-get install`` works in it wherever it works on the host.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_WANTED = re.compile(
    r"^Acquire::(?:https?::(?:[^:]+::)?(?:Proxy|Timeout|Verify-Peer|CaInfo)|Check-Valid-Until|Check-Date|Retries)$",
    re.I,
)
_LOOPBACK = re.compile(r"(?<=//)(127\.0\.0\.1|localhost|\[::1\])(?=[:/]|$)")
_HOST_SEEN_BY_GUEST = "10.0.2.2"


@dataclass(frozen=True, slots=True)
class AptHost:
    """The host's sources (one-line format, for ``suite``) and the options that reach its mirrors.

    Without sources (a host that is not Debian) mmdebstrap takes its own default for the suite.
    """

    sources: tuple[str, ...]
    options: Mapping[str, str]
    certificates: tuple[Path, ...]

    def guest_options(self) -> dict[str, str]:
        """Return the options as the guest needs them: the host's own loopback is 10.0.2.2 there."""
        return {
            key: _LOOPBACK.sub(_HOST_SEEN_BY_GUEST, value)
            for key, value in self.options.items()
            if not key.lower().endswith("cainfo")
        }


def read_host(suite: str, root: Path = Path("/")) -> AptHost:
    """Read the host's apt configuration; on a host that is not Debian, only the options (its proxy)."""
    codename = _codename(root)
    lines = sorted(set(_translate(_entries(root / "etc/apt"), codename, suite)))
    found = sorted((root / "usr/local/share/ca-certificates").glob("**/*.crt"))
    return AptHost(sources=tuple(lines), options=_options(), certificates=tuple(found))


def _codename(root: Path) -> str:
    release = root / "etc/os-release"
    text = release.read_text() if release.exists() else ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"') if fields.get("ID", "").strip('"') == "debian" else ""


def _entries(directory: Path) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    """Yield (URI, suite, components) of every enabled binary source, in both of apt's formats."""
    parts = sorted((directory / "sources.list.d").glob("*")) if (directory / "sources.list.d").is_dir() else []
    for path in (directory / "sources.list", *parts):
        if path.suffix == ".list" and path.is_file():
            yield from _one_line(path.read_text())
        elif path.suffix == ".sources" and path.is_file():
            yield from _deb822(path.read_text())


def _one_line(text: str) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    for line in text.splitlines():
        found = re.match(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if found:
            yield found[1], found[2], tuple(found[3].split())


def _deb822(text: str) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    for stanza in re.split(r"\n\s*\n", text):
        kept = "\n".join(line for line in stanza.splitlines() if not line.startswith("#"))
        fields = {key.lower(): value for key, value in re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", kept, re.M)}
        if fields.get("enabled", "yes").strip().lower() == "no" or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite, tuple(fields.get("components", "").split())


def _translate(entries: Iterable[tuple[str, str, tuple[str, ...]]], codename: str, suite: str) -> Iterable[str]:
    """Yield the host's Debian sources for another suite; third-party sources have no ``main`` of this codename."""
    for uri, its_suite, components in entries:
        base, dash, pocket = its_suite.partition("-")
        if codename and base == codename and "main" in components and pocket in {"", "updates", "security"}:
            yield f"deb [signed-by={_KEYRING}] {uri} {suite}{dash}{pocket} main"


def _options() -> dict[str, str]:
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    pairs = re.findall(r'^(\S+) "(.*)";$', dump, re.M)
    return {key: value for key, value in pairs if _WANTED.match(key) and value}

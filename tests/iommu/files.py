"""What every file of the host's configuration and boot is, to the byte."""

from __future__ import annotations

from tests.iommu.host import Host

_LIST = "cd / && find etc boot -xdev \\( -type f -exec sha256sum {} + \\) -o \\( -type l -printf 'link:%l  %p\\n' \\)"


def picture(host: Host) -> dict[str, str]:
    """Return the hash of every file below /etc and /boot, and where every link leads, by path."""
    rows = (line.split(maxsplit=1) for line in host.sh(_LIST).splitlines())
    return {path: digest for digest, path in rows}


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the paths that are not the same."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))

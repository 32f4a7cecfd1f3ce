"""Finds the archive for this guest in the list of a release."""

import json
import platform
import re
import urllib.error

from pvekit_llama import web
from pvekit_llama.run import Failed

_ARCHES = {"x86_64": "x64", "aarch64": "arm64"}
_NAME = re.compile(
    r"(?P<runtime>cudart-)?llama-.+-bin-ubuntu-(?:(?P<backend>[a-z]+)-(?:(?P<version>[0-9.]+)-)?)?"
    r"(?P<arch>x64|arm64)\.tar\.gz"
)


def choose(names, arch, backend=None, major=None):
    """Return (archive, archive with CUDA's libraries or None) out of a release's file names.

    ``backend`` is None for the processor alone, or a word such as cuda and vulkan. Failed with what there is.
    """
    found = [(match, name) for name in names if (match := _NAME.fullmatch(name)) and match["arch"] == arch]

    def best(runtime):
        fits = [
            ([int(part) for part in (match["version"] or "0").split(".") if part], name)
            for match, name in found
            if bool(match["runtime"]) == runtime
            and match["backend"] == backend
            and (major is None or (match["version"] or "").split(".")[0] == str(major))
        ]
        return max(fits)[1] if fits else None

    archive = best(False)
    if archive is None:
        wanted = f"{backend} {major}" if major else backend or "the processor alone"
        there = ", ".join(sorted(name for match, name in found if not match["runtime"])) or "none for this processor"
        raise Failed(f"the release has no archive for {wanted} on {arch}. It has: {there}. Name one with release: url.")
    return archive, best(True) if backend == "cuda" else None


def look(releases, tag):
    """Return {file name: (address, sha256 or None)} of a release."""
    url = f"{releases}/tags/{tag}"
    try:
        with web.opened(url, headers={"Accept": "application/vnd.github+json"}) as answer:
            document = json.load(answer)
        assets = document["assets"]
        return {
            str(asset["name"]): (
                str(asset["browser_download_url"]), str(asset.get("digest") or "").removeprefix("sha256:") or None,
            )
            for asset in assets
        }  # fmt: skip
    except urllib.error.HTTPError as error:
        why = "there is no such release" if error.code == 404 else f"the server says {error.code}"
        raise Failed(f"{url}: {why}. Correct release: tag, or write url.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failed(f"{url}: {error}. Is there a way to the internet? Or write release: url.") from None


def arch():
    """Return this processor as the release's file names call it."""
    machine = platform.machine()
    if machine not in _ARCHES:
        raise Failed(f"there is no archive for {machine}: write install: build.")
    return _ARCHES[machine]

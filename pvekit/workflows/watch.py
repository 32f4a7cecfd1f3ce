"""Passthrough: keeps how a host was when it worked, and tells what is not as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pvekit.adapters.bundle import read_bundle
from pvekit.adapters.files import write_atomic
from pvekit.model.bundle import Bundle
from pvekit.model.errors import BundleInvalid
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.baseline import FILE, Baseline, from_json, to_json
from pvekit.passthrough.drift import AREAS, Drift, Gap, drift, gaps
from pvekit.passthrough.facts import Facts
from pvekit.workflows.collect import Host, collect
from pvekit.workflows.repair import folder_of


@dataclass(frozen=True)
class Watched:
    """What a look told. ``before`` None: there was no baseline, and this one was kept.

    ``path`` is where the baseline of the host lies, None for a comparison of files. ``old`` is where the one before it
    went.
    """

    now: Baseline
    before: Baseline | None
    drifts: tuple[Drift, ...] = ()
    gaps: tuple[Gap, ...] = ()
    path: Path | None = None
    old: Path | None = None
    accepted: bool = False


def watch(
    host: Host, *, accept: bool = False, vmid: int | None = None, device: Bdf | None = None,
    clock: Callable[[], str] | None = None,
) -> Watched:  # fmt: skip
    """Look at a host, compare it with its baseline, and keep the first one.

    ``accept`` keeps what is seen now; the baseline before it stays beside it, with its date in its name. Raises what
    ``collect`` raises, and BundleInvalid for a baseline that cannot be read.
    """
    now = replace(present(collect(host), vmid=vmid, device=device), taken=(clock or _now)())
    path = folder_of(host) / FILE
    if not path.exists():
        _keep(path, now)
        return Watched(now, None, path=path)
    before = _read(path, damaged=accept)
    if before is None:
        old = _put_aside(path, "damaged")
        _keep(path, now)
        return Watched(now, None, path=path, old=old, accepted=True)
    found = _compared(now, before, path)
    if not accept or replace(now, taken=before.taken) == before:
        return found
    old = _put_aside(path, before.taken)
    _keep(path, now)
    return replace(found, old=old, accepted=True)


def compare(
    path: Path | Host, against: Path, *, vmid: int | None = None, device: Bdf | None = None
) -> Watched:  # fmt: skip
    """Compare a bundle, or a host, with a baseline in a file or with another bundle. Nothing is kept."""
    bundle = collect(path) if isinstance(path, Host) else read_bundle(path)
    now = present(bundle, vmid=vmid, device=device)
    return _compared(now, _of_file(against, vmid=vmid, device=device), None)


def _compared(now: Baseline, before: Baseline, path: Path | None) -> Watched:
    """Compare two looks; where they have nothing in common, that is no good news. Raises BundleInvalid."""
    if all(isinstance(getattr(before, name), Missing) or isinstance(getattr(now, name), Missing) for name in AREAS):
        raise BundleInvalid(
            "there is nothing that can be compared",
            hint="Both times have to tell at least one of: kernel, options, devices, IOMMU groups, firmware.",
        )
    return Watched(now, before, drift(before, now), gaps(before, now), path)


def present(bundle: Bundle, *, vmid: int | None = None, device: Bdf | None = None) -> Baseline:
    """Return the baseline that evidence makes."""
    found = Facts(bundle, Asked(vmid, device)).get(Baseline)
    if isinstance(found, Missing):
        raise BundleInvalid(f"nothing to compare: {found.why}", where=bundle.name)
    return found


def with_baseline(host: Host, bundle: Bundle) -> Bundle:
    """Return the evidence with the host's baseline, where there is one: some causes show only beside it."""
    path = folder_of(host) / FILE
    if FILE in bundle.files or not path.is_file():
        return bundle
    return replace(bundle, files={**bundle.files, FILE: path.read_text(encoding="utf-8", errors="replace")})


def _of_file(path: Path, *, vmid: int | None, device: Bdf | None) -> Baseline:
    if path.is_file() and path.suffix == ".json":
        found = _read(path)
        assert found is not None  # noqa: S101 - what cannot be read was raised
        return found
    return present(read_bundle(path), vmid=vmid, device=device)


def _read(path: Path, *, damaged: bool = False) -> Baseline | None:
    """Return a baseline; None for a damaged one where ``damaged`` allows it."""
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleInvalid(f"cannot read: {error.strerror or error}", where=str(path)) from error
    except ValueError as error:
        if damaged:
            return None
        raise BundleInvalid(
            f"the baseline cannot be read: {error}",
            where=str(path),
            hint="--accept takes a new one and keeps this file under another name.",
        ) from error


def _keep(path: Path, found: Baseline) -> None:
    write_atomic(path, to_json(found).encode(), mode=0o600)


def _put_aside(path: Path, date: str) -> Path:
    """Keep the old baseline beside the new one, whatever else is there."""
    stem = f"{path.stem}-{re.sub(r'[^0-9A-Za-z-]', '', date) or 'undated'}"
    content = path.read_bytes()
    for number in range(1000):
        old = path.with_name(f"{stem}{f'-{number}' if number else ''}{path.suffix}")
        if not old.exists() or old.read_bytes() == content:
            break
    write_atomic(old, content, mode=0o600)
    return old


def _now() -> str:
    from datetime import UTC, datetime

    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

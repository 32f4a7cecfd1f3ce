"""Snapshots of every volume, and the end of those that are too old."""

import datetime as dt

from pvekit_nas import names
from pvekit_nas.run import Failed
from pvekit_nas.volumes import filesystem


def take(config):
    """Take one of each volume, then delete what need not stay; one volume's failure does not stop the others."""
    system = filesystem(config)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    failed = []
    for path, _ in config.volumes():
        try:
            if names.name(now) not in system.snapshots(path):
                system.take(path, names.name(now))
                yield f"snapshot {names.name(now)} of {path}"
            yield from _thin(config, system, path, now)
        except Failed as error:
            failed.append(str(error))
    if failed:
        raise Failed("; ".join(failed))


def _thin(config, system, path, now):
    ours = {found: name for name in system.snapshots(path) if (found := names.moment(name)) is not None}
    for old in sorted(set(ours) - names.kept(set(ours), now, **config.snapshots)):
        system.drop(path, ours[old])
        yield f"deleted {ours[old]} of {path}"

"""Looks after the pool: free space, errors of the disks. What is wrong makes the unit fail, which sends a warning."""

from pvekit_nas.run import Failed, says
from pvekit_nas.volumes import filesystem


def check(config):
    """Say how full the pool is; Failed when it is too full, not mounted, or a disk has errors."""
    if not says("mountpoint", "-q", str(config.mount)):
        raise Failed(f"nothing is mounted at {config.mount}")
    system = filesystem(config)
    troubles = list(system.troubles())
    used, whole = system.space()
    percent = 100 * used // max(1, whole)
    if percent >= config.full_percent:
        troubles.append(f"{config.mount} is {percent} % full: {(whole - used) >> 20} MiB are free")
    if troubles:
        raise Failed("; ".join(troubles))
    yield f"{config.mount} is {percent} % full, its disks report no errors"


def scrub(config):
    """Read everything once and compare."""
    yield from filesystem(config).scrub()

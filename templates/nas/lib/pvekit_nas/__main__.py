"""``pvekit-nas WORD``: one thing a NAS does. Prints what it changed; on a failure says why and ends with 1."""

import sys

from pvekit_nas import alert, check, config, people, services, snapshots, volumes
from pvekit_nas.run import Failed

WORDS = {
    "people": (people.settle, "accounts, groups and passwords (secrets as JSON on standard input)"),
    "mount": (volumes.mount, "mount the pool, after every start"),
    "volumes": (volumes.settle, "mount the pool; folders, quotas and rights of users and shares"),
    "services": (services.settle, "NFS exports, units and services"),
    "snapshot": (snapshots.take, "take a snapshot of everything, delete those that are too old"),
    "scrub": (check.scrub, "read everything and compare checksums"),
    "check": (check.check, "free space, and errors of the disks"),
    "alert": (alert.unit_failed, "say that a unit failed (its name is the argument)"),
}


def main(argv=None):
    """Do what the first argument says."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] not in WORDS:
        sys.stderr.write("".join(f"pvekit-nas {word:10} {text}\n" for word, (_, text) in WORDS.items()))
        return 2
    try:
        for line in WORDS[words[0]][0](config.load(), *words[1:]):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except Failed as error:
        sys.stderr.write(f"pvekit-nas {words[0]}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

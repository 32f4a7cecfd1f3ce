"""The NAS as the stack file wants it, as the playbook left it in /etc/pvekit/nas.json. No secret is in it."""

import json
from pathlib import Path

from pvekit_nas.run import Failed

PATH = Path("/etc/pvekit/nas.json")
ALERT_PASSWORD = Path("/etc/pvekit/nas-alert-password")
NFS_ROOT = Path("/srv/nfs")


class Config:
    """The settings, with the places that follow from them."""

    def __init__(self, document):
        """Take the JSON document."""
        self.pool = document["pool"]
        self.users = document["users"]
        self.shares = document["shares"]
        self.snapshots = document["snapshots"]
        self.alert = document["alert"]
        self.units = set(document["units"])
        self.full_percent = document.get("full_percent", 90)
        self.mount = Path(self.pool["mount"])

    def share(self, name):
        """Return where a share is."""
        return self.mount / "shares" / name

    def home(self, user):
        """Return where a user's own folder is."""
        return self.mount / "users" / user

    def volumes(self):
        """Yield (path, quota in bytes or None) of all that has a quota and snapshots of its own."""
        for user in self.users:
            yield self.home(user["name"]), user.get("quota")
        for share in self.shares:
            yield self.share(share["name"]), share.get("quota")

    def snapshots_of(self, volume):
        """Return where the snapshots of a volume can be looked into."""
        if self.pool["filesystem"] == "zfs":
            return volume / ".zfs" / "snapshot"
        return self.mount / "snapshots" / volume.relative_to(self.mount)


def load(path=PATH):
    """Return the settings. Failed when they are not there."""
    try:
        return Config(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise Failed(f"{path}: {error}. Run pvekit up again.") from None


def group_of(share):
    """Return the name of the group whose members may enter a share."""
    return f"nas-{share.lower()}"[:32]

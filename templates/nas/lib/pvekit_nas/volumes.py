"""The pool, mounted; a volume for every user and share; who may enter them."""

import grp
import os
import pwd

from pvekit_nas.btrfs import Btrfs
from pvekit_nas.config import NFS_ROOT, group_of
from pvekit_nas.run import run
from pvekit_nas.zfs import Zfs


def filesystem(config):
    """Return the pool's file system."""
    return {"btrfs": Btrfs, "zfs": Zfs}[config.pool["filesystem"]](config)


def mount(config):
    """Mount the pool; yield what was done."""
    yield from filesystem(config).mount()


def settle(config):
    """Bring all of it about; yield what was changed. Nothing is ever deleted: a share that is gone keeps its data."""
    system = filesystem(config)
    for line in system.mount():
        yield f"changed: {line}"
    for path, quota in config.volumes():
        for line in system.ensure(path, quota):
            yield f"changed: {line}"
    for user in config.users:
        account = pwd.getpwnam(user["name"])
        yield from _owned(config.home(user["name"]), account.pw_uid, account.pw_gid, 0o700)
    for share in config.shares:
        path = config.share(share["name"])
        group = grp.getgrnam(group_of(share["name"])).gr_gid
        yield from _owned(path, 0, group, 0o2770)
        yield from _inherited(path)
        if share["nfs"]:
            (NFS_ROOT / share["name"]).mkdir(mode=0o755, parents=True, exist_ok=True)


def _owned(path, uid, gid, mode):
    found = path.stat()
    if (found.st_uid, found.st_gid) != (uid, gid):
        os.chown(path, uid, gid)
        yield f"changed: owner of {path}"
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)
        yield f"changed: mode of {path}"


def _inherited(path):
    """Whatever is made in a share, by whomever, the group may change it: a default ACL, which no umask cuts down."""
    wanted = {"default:user::rwx", "default:group::rwx", "default:other::---"}
    if not wanted <= set(run("getfacl", "-cpE", str(path)).split()):
        run("setfacl", "--default", "--modify", "u::rwx,g::rwx,o::---", str(path))
        yield f"changed: default ACL of {path}"

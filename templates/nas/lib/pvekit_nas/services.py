"""What the NAS offers: NFS exports by the groups' numbers, and its services, reloaded when their files changed."""

import grp
import hashlib
import pwd
import uuid
from pathlib import Path

from pvekit_nas.config import NFS_ROOT, group_of
from pvekit_nas.people import NFS_USER
from pvekit_nas.run import Failed, run, says

EXPORTS = Path("/etc/exports.d/pvekit.exports")
UNITS = Path("/etc/systemd/system")
MARK = "# Made by pvekit for the NAS"
STATE = Path("/var/lib/pvekit/nas")
TIMERS = ("pvekit-nas-snapshot.timer", "pvekit-nas-check.timer", "pvekit-nas-scrub.timer")
READS = {
    "smbd.service": ("/etc/samba/smb.conf",),
    "wsdd2.service": ("/etc/samba/smb.conf", "/etc/systemd/system/wsdd2.service.d/pvekit.conf"),
    "avahi-daemon.service": (),
    "nfs-server.service": ("/etc/nfs.conf.d/pvekit.conf",),
}
"""Services and the files after whose change they start anew (Samba: reads again)."""
UNWANTED = ("nmbd.service", "rpcbind.service", "rpcbind.socket")
"""NetBIOS, and the port mapper of NFS before version 4."""


def exports_text(config, uid, gids):
    """Return the exports. ``uid`` and ``gids`` (by group) are what every client's user becomes."""
    shares = [share for share in config.shares if share["nfs"]]
    if not shares:
        return "# Made by pvekit. Nothing is shared by NFS.\n"
    common = "sync,no_subtree_check,sec=sys,all_squash"
    clients = sorted({client for share in shares for client in share["nfs"]})
    # The root of what NFSv4 clients see; each share is mounted below it and is an export of its own.
    lines = [f"{NFS_ROOT} " + " ".join(f"{client}(ro,fsid=0,{common})" for client in clients)]
    for share in shares:
        access = "rw" if share["users"] else "ro"
        number = uuid.uuid5(uuid.NAMESPACE_URL, f"{config.pool['id']}/{share['name']}")
        ids = f"anonuid={uid},anongid={gids[group_of(share['name'])]}"
        # Nothing of the system disk is shared when the pool is not there.
        options = f"{access},mountpoint,fsid={number},{common},{ids}"
        lines.append(f"{NFS_ROOT / share['name']} " + " ".join(f"{client}({options})" for client in share["nfs"]))
    return "# Made by pvekit.\n" + "\n".join(lines) + "\n"


def settle(config):
    """Bring exports, units and services about; yield what was changed."""
    yield from _removed(config)
    uses_nfs = any(share["nfs"] for share in config.shares)
    if _changed("units", [path for path in sorted(UNITS.rglob("*")) if not path.is_symlink()]):
        run("systemctl", "daemon-reload")
        yield "changed: systemd has read its units again"
    unwanted = [unit for unit, state in _states("is-enabled", UNWANTED) if state not in ("masked", "", "not-found")]
    if unwanted:
        run("systemctl", "mask", "--now", *unwanted)
        yield f"changed: {', '.join(unwanted)} off"
    if not uses_nfs:
        yield from _stopped("nfs-server.service")
    fresh = _started(_wanted(config, uses_nfs))
    yield from (f"changed: {unit} is on" for unit in fresh)
    for unit, files in READS.items():
        paths = [Path(name) for name in files]
        if unit == "nfs-server.service" and not uses_nfs:
            continue
        if _changed(unit, paths) and unit not in fresh:
            run("systemctl", "reload-or-restart", unit)
            yield f"changed: {unit} has read its settings again"
        _keep(unit, paths)
    yield from _exported(config)
    _keep("units", [path for path in sorted(UNITS.rglob("*")) if not path.is_symlink()])


def _wanted(config, uses_nfs):
    """Return the units that should run."""
    binds = [share["bind_unit"] for share in config.shares if share["nfs"]]
    services = [unit for unit in READS if uses_nfs or unit != "nfs-server.service"]
    timers = [unit for unit in TIMERS if (UNITS / unit).exists()]
    return ["pvekit-nas-pool.service", *binds, *services, *timers]


def _states(word, units):
    """Return (unit, state) of each, by one call: in an emulated guest each costs seconds."""
    states = run("systemctl", word, *units, good=range(256)).splitlines()
    if len(states) != len(units):
        # Older releases print nothing for a unit that is not there.
        states = [run("systemctl", word, unit, good=range(256)).strip() for unit in units]
    return list(zip(units, states, strict=True))


def _removed(config):
    """Take away units that an earlier run made and that are not wanted any more."""
    for path in sorted(UNITS.rglob("*")):
        name = str(path.relative_to(UNITS))
        if path.is_symlink() or not path.is_file() or name in config.units:
            continue
        if path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
            if path.parent == UNITS:
                run("systemctl", "disable", "--now", path.name)
            path.unlink()
            yield f"changed: {name} is gone"


def _started(units):
    """Start what does not run, and have it start by itself; return those. systemd keeps them in order."""
    active, enabled = (dict(_states(word, units)) for word in ("is-active", "is-enabled"))
    fresh = [unit for unit in units if active[unit] != "active" or enabled[unit] != "enabled"]
    if fresh:
        run("systemctl", "enable", "--now", *fresh)
    return fresh


def _stopped(unit):
    if says("systemctl", "--quiet", "is-active", unit):
        run("systemctl", "disable", "--now", unit)
        yield f"changed: {unit} is off"


def _exported(config):
    gids = {group_of(share["name"]): grp.getgrnam(group_of(share["name"])).gr_gid for share in config.shares}
    wanted = exports_text(config, pwd.getpwnam(NFS_USER).pw_uid, gids)
    now = EXPORTS.read_text(encoding="utf-8") if EXPORTS.exists() else ""
    if wanted == now:
        return
    EXPORTS.parent.mkdir(mode=0o755, exist_ok=True)
    EXPORTS.write_text(wanted, encoding="utf-8")
    if not any(share["nfs"] for share in config.shares):
        return
    try:
        run("exportfs", "-ra")
    except Failed:
        # The kernel still has the old exports; so has the file, for the next start.
        EXPORTS.write_text(now, encoding="utf-8")
        raise
    yield "changed: exports"


def _digest(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path).encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _changed(name, paths):
    """Return whether the files are not those that this NAS last started with."""
    note = STATE / name
    return not note.exists() or note.read_text(encoding="utf-8") != _digest(paths)


def _keep(name, paths):
    STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    (STATE / name).write_text(_digest(paths), encoding="utf-8")

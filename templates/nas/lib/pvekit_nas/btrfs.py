"""btrfs: a volume is a subvolume, its quota a limit of its quota group, a snapshot a read-only subvolume."""

import shutil
import time
from pathlib import Path

from pvekit_nas.run import Failed, run, says

PATIENCE_S = 60


class Btrfs:
    """The pool's file system."""

    def __init__(self, config):
        """Keep the settings."""
        self._config = config

    def mount(self):
        """Mount it, and check that it is the right one and secured as the stack file says."""
        where = str(self._config.mount)
        if not says("mountpoint", "-q", where):
            self._mount(where)
            yield f"mounted {where}"
        found = run("findmnt", "-rno", "UUID", "--mountpoint", where).strip()
        if found != self._config.pool["id"]:
            raise Failed(f"at {where} is the file system {found}, not {self._config.pool['id']}")
        layout = self._config.pool["layout"]
        data = [line for line in run("btrfs", "filesystem", "df", where).splitlines() if line.startswith("Data")]
        if layout == "mirror" and not all("RAID1" in line for line in data):
            how = f"btrfs balance start -dconvert=raid1 {where}"
            raise Failed(f"the pool is no mirror: {'; '.join(data)}. Convert it: {how}")

    def _mount(self, where):
        """Mount it with all of its disks named: whether udev has seen them together does not matter then."""
        devices = self._config.pool["devices"]
        end = time.monotonic() + PATIENCE_S
        while missing := [path for path in devices if not Path(path).exists()]:
            if time.monotonic() > end:
                raise Failed(f"disks of the pool are not there: {', '.join(missing)}")
            time.sleep(1)
        run("modprobe", "btrfs")
        self._config.mount.mkdir(mode=0o755, parents=True, exist_ok=True)
        options = ",".join(["noatime", *(f"device={path}" for path in devices)])
        run("mount", "-t", "btrfs", "-o", options, devices[0], where)

    def ensure(self, path, quota):
        """Make the subvolume, and set its limit."""
        if not path.exists():
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            run("btrfs", "subvolume", "create", str(path))
            yield f"made the subvolume {path}"
        elif not says("btrfs", "subvolume", "show", str(path)):
            raise Failed(f"{path} is there and is no subvolume. Move it away.")
        yield from self._limit(path, quota)

    def _limit(self, path, quota):
        if quota and not says("btrfs", "qgroup", "show", str(self._config.mount)):
            run("btrfs", "quota", "enable", str(self._config.mount))
            yield "quotas are on"
        now = self.limit(path)
        if (quota or None) != now:
            run("btrfs", "qgroup", "limit", str(quota) if quota else "none", str(path))
            yield f"quota of {path}: {quota or 'none'}"

    def limit(self, path):
        """Return the limit in bytes; None without one."""
        if not says("btrfs", "qgroup", "show", str(self._config.mount)):
            return None
        row = run("btrfs", "qgroup", "show", "--raw", "-rf", str(path)).strip().splitlines()[-1].split()
        return int(row[3]) if len(row) > 3 and row[3].isdigit() else None

    def snapshots(self, path):
        """Return the names of the snapshots."""
        folder = self._config.snapshots_of(path)
        return [each.name for each in folder.iterdir()] if folder.is_dir() else []

    def take(self, path, name):
        """Take a snapshot."""
        folder = self._config.snapshots_of(path)
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        run("btrfs", "subvolume", "snapshot", "-r", str(path), str(folder / name))

    def drop(self, path, name):
        """Delete a snapshot."""
        run("btrfs", "subvolume", "delete", str(self._config.snapshots_of(path) / name))

    def scrub(self):
        """Scrub to the end; Failed when something could not be read or mended."""
        text = run("btrfs", "scrub", "start", "-B", str(self._config.mount), timeout=7 * 86400)
        yield from text.strip().splitlines()

    def troubles(self):
        """Yield what is wrong with the disks."""
        stats = run("btrfs", "device", "stats", str(self._config.mount))
        for line in stats.splitlines():
            what, _, count = line.rpartition(" ")
            if count.strip().isdigit() and int(count):
                yield f"{what.strip()}: {count} (btrfs device stats)"
        shown = run("btrfs", "filesystem", "show", str(self._config.mount))
        if "missing" in shown.lower():
            yield "a disk of the pool is missing"

    def space(self):
        """Return used and whole size in bytes."""
        found = shutil.disk_usage(self._config.mount)
        return found.total - found.free, found.total

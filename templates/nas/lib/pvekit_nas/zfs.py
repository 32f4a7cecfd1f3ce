"""ZFS: a volume is a dataset with a reference quota."""

from pvekit_nas.run import Failed, run, says


class Zfs:
    """The pool's file system."""

    def __init__(self, config):
        """Keep the settings."""
        self._config = config
        self._pool = config.pool["name"]

    def mount(self):
        """Import it if it is not, by its number; a pool that another machine has in use is refused by ZFS itself."""
        if not says("zpool", "list", self._pool):
            run("zpool", "import", "-d", "/dev/disk/by-id", self._config.pool["id"])
            yield f"imported {self._pool}"
        found = run("zpool", "get", "-Hpo", "value", "guid", self._pool).strip()
        if found != self._config.pool["id"]:
            raise Failed(f"the pool {self._pool} is {found}, not {self._config.pool['id']}")
        where = str(self._config.mount)
        if self._get("mountpoint", self._pool) != where:
            run("zfs", "set", f"mountpoint={where}", self._pool)
            yield f"{self._pool} is mounted at {where}"
        for dataset in ("shares", "users"):
            if not says("zfs", "list", f"{self._pool}/{dataset}"):
                run("zfs", "create", f"{self._pool}/{dataset}")
                yield f"made the dataset {self._pool}/{dataset}"

    def _get(self, name, dataset):
        return run("zfs", "get", "-Hpo", "value", name, dataset).strip()

    def _dataset(self, path):
        return f"{self._pool}/{path.relative_to(self._config.mount)}"

    def ensure(self, path, quota):
        """Make the dataset, and set its quota."""
        dataset = self._dataset(path)
        if not says("zfs", "list", dataset):
            if path.exists():
                raise Failed(f"{path} is there and is no dataset. Move it away.")
            run("zfs", "create", dataset)
            yield f"made the dataset {dataset}"
        if self._get("refquota", dataset) != str(quota or 0):
            run("zfs", "set", f"refquota={quota or 'none'}", dataset)
            yield f"quota of {path}: {quota or 'none'}"

    def limit(self, path):
        """Return the limit in bytes; None without one."""
        return int(self._get("refquota", self._dataset(path))) or None

    def snapshots(self, path):
        """Return the names of the snapshots."""
        text = run("zfs", "list", "-Ht", "snapshot", "-o", "name", "-d", "1", self._dataset(path))
        return [line.partition("@")[2] for line in text.splitlines()]

    def take(self, path, name):
        """Take a snapshot."""
        run("zfs", "snapshot", f"{self._dataset(path)}@{name}")

    def drop(self, path, name):
        """Delete a snapshot."""
        run("zfs", "destroy", f"{self._dataset(path)}@{name}")

    def scrub(self):
        """Scrub to the end; Failed when the pool is not well afterwards."""
        run("zpool", "scrub", "-w", self._pool, timeout=7 * 86400)
        troubles = list(self.troubles())
        if troubles:
            raise Failed("; ".join(troubles))
        yield f"{self._pool} is well"

    def troubles(self):
        """Yield what is wrong with the disks."""
        text = run("zpool", "status", "-x", self._pool)
        if "is healthy" not in text:
            yield text.strip()

    def space(self):
        """Return used and whole size in bytes."""
        used, free = (int(self._get(name, self._pool)) for name in ("used", "available"))
        return used, used + free

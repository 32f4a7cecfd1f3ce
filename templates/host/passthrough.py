"""Changes the files that a host starts with, so that a power cut at any moment leaves what can be finished or undone.

Python 3.9, standard library only; runs on the host as root. A change set comes as JSON on standard input and is written
down, with what every file was before, below /var/lib/pvekit/passthrough before the first edit. Every step is then
marked there. A copy of this program lies beside it, so that the way back needs nothing else:

    python3 /var/lib/pvekit/passthrough/0001-ab12cd34/passthrough.py status | resume | rollback | confirm

Progress goes to standard error, one JSON object to standard output. ``--root DIR`` works on a tree below DIR: commands
are those of that tree, and the ones that are not there are skipped and named.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import errno
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time

VERSION = 1
HOME = "/var/lib/pvekit/passthrough"
EDITED = ("/etc/default/grub", "/etc/kernel/cmdline")
LOOKED_AT = (
    *EDITED,
    "/etc/default/grub.d/*.cfg",
    "/boot/grub/grub.cfg",
    "/boot/grub/custom.cfg",
    "/etc/modules",
    "/etc/modules-load.d/*.conf",
    "/etc/modprobe.d/*.conf",
    "/etc/initramfs-tools/modules",
    "/etc/initramfs-tools/hooks/pvekit-*",
    "/etc/initramfs-tools/scripts/init-top/pvekit-*",
    "/etc/dracut.conf.d/pvekit-*.conf",
    "/etc/systemd/system/pvekit-passthrough-check.service",
    "/etc/systemd/system/sysinit.target.d/pvekit-passthrough.conf",
)
OPEN = ("applying", "trial", "confirming", "rolling-back")
_BINARIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_FOLDER = re.compile(r"(\d{4})-([0-9a-f]{8})")
_ADDRESS = re.compile(r"(?!-)[\w.:%\[\]-]*")
_PLAIN_FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "vfat")


class Failure(Exception):
    """It cannot go on; ``hint`` is the next step."""

    def __init__(self, message, hint=""):
        super().__init__(message)
        self.hint = hint


def say(text):
    """Tell the person. Whoever was listening may be gone."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def digest(content):
    """Return the SHA-256 of a content; "absent" for None."""
    return "absent" if content is None else hashlib.sha256(content).hexdigest()


class Tree:
    """The files of the host, or of a tree below ``root``. Every write is whole or not there, and safe on the disk."""

    def __init__(self, root=""):
        self.root = root.rstrip("/")

    def real(self, path):
        """Return where a path of the host is."""
        if not path.startswith("/") or ".." in path.split("/"):
            raise Failure(f"not an absolute path: {path!r}")
        return self.root + path

    def read(self, path):
        """Return ``{content, mode, uid, gid, mtime}``; None when there is nothing."""
        try:
            found = os.lstat(self.real(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode):
            raise Failure(f"{path} is no ordinary file", "A link or a folder is left alone. Look at it by hand.")
        with open(self.real(path), "rb") as file:  # noqa: PTH123
            content = file.read()
        return {
            "content": content,
            "mode": stat.S_IMODE(found.st_mode),
            "uid": found.st_uid,
            "gid": found.st_gid,
            "mtime": found.st_mtime_ns,
        }

    def text(self, path):
        """Return a text; "" when it cannot be read."""
        try:
            with open(self.real(path), errors="replace") as file:  # noqa: PTH123
                return file.read()
        except OSError:
            return ""

    def exists(self, path):
        """Tell whether there is something."""
        return os.path.lexists(self.real(path))

    def names(self, folder):
        """Return the names in a folder."""
        try:
            return sorted(os.listdir(self.real(folder)))  # noqa: PTH208
        except OSError:
            return []

    def write(self, path, content, mode, uid, gid, mtime=None):
        """Write a file in one step: a part file beside it, on the disk, then the new name, on the disk."""
        part = self.part(path)
        self.drop(part)
        handle = os.open(self.real(part), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            os.fchmod(handle, mode)
            if (os.geteuid(), os.getegid()) != (uid, gid):
                os.fchown(handle, uid, gid)
            if mtime is not None:
                os.utime(handle, ns=(mtime, mtime))
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(self.real(part), self.real(path))  # noqa: PTH104
        self.settle(os.path.dirname(path))  # noqa: PTH120

    @staticmethod
    def part(path):
        """Return the name of the part file. It begins with a dot: no program takes it for configuration."""
        folder, name = os.path.split(path)
        return f"{folder}/.{name}.pvekit-part"

    def drop(self, path):
        """Remove a file, if it is there; tell whether it was."""
        try:
            os.unlink(self.real(path))  # noqa: PTH108
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def remove(self, path):
        """Remove a file for good."""
        if self.drop(path):
            self.settle(os.path.dirname(path))  # noqa: PTH120

    def missing_folders(self, path):
        """Return the folders above a path that are not there, the outermost first."""
        found = []
        folder = os.path.dirname(path)  # noqa: PTH120
        while folder != "/" and not self.exists(folder):
            found.append(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
        return found[::-1]

    def make_folders(self, path, mode=0o755):
        """Make the folders above a path."""
        for folder in self.missing_folders(path):
            os.mkdir(self.real(folder), mode)  # noqa: PTH102
            self.settle(os.path.dirname(folder))  # noqa: PTH120

    def settle(self, path):
        """Bring a folder's names, or a file, onto the disk."""
        try:
            handle = os.open(self.real(path or "/"), os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def command(self, name):
        """Return the path of a program; "" when there is none."""
        for folder in _BINARIES:
            if os.access(self.real(f"{folder}/{name}"), os.X_OK):
                return self.real(f"{folder}/{name}")
        return ""

    def run(self, argv):
        """Run a command; tell whether it was there. Raises Failure when it fails."""
        program = self.command(argv[0])
        words = " ".join(argv)
        if not program:
            if not self.root:
                raise Failure(f"there is no {argv[0]} on this host")
            say(f"skipped, not in this tree: {words}")
            return False
        say(f"running: {words}")
        path = ":".join(self.real(folder) for folder in _BINARIES)
        if self.root:
            path += ":" + os.environ.get("PATH", "/usr/bin:/bin")
        environment = {"PATH": path, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        if self.root:
            environment["PVEKIT_ROOT"] = self.root
        done = subprocess.run(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env=environment,
        )
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace").strip().splitlines()[-8:]
            raise Failure(f"{words} ended with {done.returncode}" + "".join(f"\n  {line}" for line in said))
        return True


def same(now, wanted):
    """Tell whether a file is as wanted, content and mode."""
    if now is None or wanted is None:
        return now is wanted
    return now["content"] == wanted["content"] and now["mode"] == wanted["mode"]


def packed(seen):
    """Return a file's state as JSON can hold it."""
    return None if seen is None else {**seen, "content": base64.b64encode(seen["content"]).decode()}


def unpacked(value):
    """Return a file's state from JSON."""
    return None if value is None else {**value, "content": base64.b64decode(value["content"], validate=True)}


class Journal:
    """One change set on this host, and how far it got: ``changes.json``, ``log``, and ``kept/`` for large files."""

    def __init__(self, tree, name):
        self.tree = tree
        self.name = name
        self.folder = f"{HOME}/{name}"
        self.changes = json.loads(tree.text(f"{self.folder}/changes.json"))
        self.ops = self.changes["ops"]
        self.records = self._read_log()

    def _read_log(self):
        """Return the records; a last line that a power cut tore off does not count and is cut away."""
        path = f"{self.folder}/log"
        seen = self.tree.read(path)
        content = b"" if seen is None else seen["content"]
        whole = content[: content.rfind(b"\n") + 1]
        self.torn = len(whole) if len(whole) != len(content) else None
        return [json.loads(line) for line in whole.splitlines()]

    def note(self, **record):
        """Add a record, on the disk before this returns."""
        handle = os.open(self.tree.real(f"{self.folder}/log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if self.torn is not None:
                os.ftruncate(handle, self.torn)
                self.torn = None
            os.write(handle, json.dumps({"at": int(time.time()), **record}).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        self.records.append(record)

    def remark(self, text):
        """Add a remark, once: the check at boot is started again when it fails."""
        if text not in [record.get("note") for record in self.records]:
            self.note(note=text)

    @property
    def phase(self):
        """Return how far it is as a whole."""
        return next((item["phase"] for item in reversed(self.records) if "phase" in item), "applying")

    @property
    def trial(self):
        """Return the settings of the trial; None when there is none."""
        return self.changes.get("trial")

    def last(self, number):
        """Return the last word on one step: "", begun, done, undone."""
        states = [r["state"] for r in self.records if r.get("op") == number and r["state"] != "kept"]
        return states[-1] if states else ""

    def record(self, number, state, out=None):
        """Return the last record of a kind on one step; None when there is none."""
        for item in reversed(self.records):
            if item.get("op") == number and item["state"] == state and (out is None or item.get("out") == out):
                return item
        return None

    # --- forward

    def forward(self, stages):
        """Do every step of some stages that is not done yet."""
        for stage in stages:
            for number, op in enumerate(self.ops):
                if op["stage"] == stage and self.last(number) != "done":
                    (self._edit if op["kind"] == "file" else self._step)(number, op)

    def _edit(self, number, op):
        after, before = unpacked(op["after"]), unpacked(op["before"])
        now = self.tree.read(op["path"])
        if not same(now, after):
            if digest(now and now["content"]) not in (digest(before and before["content"]), digest_of(after)):
                raise Failure(
                    f"{op['path']} was changed by somebody else meanwhile",
                    "Undo that change and run the same command again, or roll back.",
                )
            if after is None:
                self.tree.remove(op["path"])
            else:
                self.tree.make_folders(op["path"])
                self.tree.write(op["path"], after["content"], after["mode"], after["uid"], after["gid"])
            say(f"{'removed' if after is None else 'wrote'} {op['path']}")
        self.note(op=number, state="done")

    def _step(self, number, op):
        for place, path in enumerate(op["outputs"]):
            if self.record(number, "kept", place) is None:
                self._keep(number, place, path)
        self.note(op=number, state="begun")
        ran = self.tree.run(op["argv"])
        for path in op["outputs"]:
            self.tree.settle(path)
            self.tree.settle(os.path.dirname(path))  # noqa: PTH120
        if not self.tree.root:
            os.sync()
        made = [digest_of(self.tree.read(path)) for path in op["outputs"]]
        self.note(op=number, state="done", made=made, skipped=not ran)

    def _keep(self, number, place, path):
        """Keep what a command is going to write over."""
        seen = self.tree.read(path)
        told = None
        if seen is not None:
            copy = self._copy(number, place)
            self.tree.make_folders(copy, 0o700)
            self.tree.write(copy, seen["content"], 0o600, os.geteuid(), os.getegid())
            told = {key: value for key, value in seen.items() if key != "content"}
        self.note(op=number, state="kept", out=place, sha=digest_of(seen), was=told)

    def _copy(self, number, place):
        return f"{self.folder}/kept/{number}-{place}"

    # --- back

    def back(self, stages, leave=()):
        """Undo every step of some stages: files first, the last one first, then what commands made, in order."""
        self._refuse_foreign(stages, leave)
        for number, op in reversed(list(enumerate(self.ops))):
            if op["stage"] in stages and op["kind"] == "file" and self.last(number) != "undone":
                self._unedit(number, op, leave)
        for number, op in enumerate(self.ops):
            if op["stage"] in stages and op["kind"] == "step" and self.last(number) != "undone":
                self._unstep(number, op)
        if not self.tree.root:
            os.sync()

    def _refuse_foreign(self, stages, leave):
        """Look at every file before the first one is put back."""
        foreign = [op["path"] for number, op in enumerate(self.ops) if op["stage"] in stages and self._foreign(number)]
        foreign = [path for path in foreign if path not in leave]
        if foreign:
            raise Failure(
                "changed by somebody else since: " + ", ".join(foreign),
                "Nothing was put back. Undo that change, or name the file with --leave to keep it as it is.",
            )

    def _foreign(self, number):
        op = self.ops[number]
        if op["kind"] != "file" or self.last(number) != "done":
            return False
        try:
            now = self.tree.read(op["path"])
        except Failure:
            return True
        return digest_of(now) not in (digest_of(unpacked(op["before"])), digest_of(unpacked(op["after"])))

    def _unedit(self, number, op, leave):
        self.tree.drop(self.tree.part(op["path"]))
        before = unpacked(op["before"])
        now = None if self._foreign(number) else self.tree.read(op["path"])
        if op["path"] in leave and self._foreign(number):
            say(f"left alone: {op['path']}")
        elif digest_of(now) == digest_of(unpacked(op["after"])) and not same(now, before):
            if before is None:
                self.tree.remove(op["path"])
            else:
                self.tree.write(op["path"], *(before[key] for key in ("content", "mode", "uid", "gid", "mtime")))
            say(f"put back {op['path']}")
        for folder in reversed(op["folders"]):
            try:
                os.rmdir(self.tree.real(folder))  # noqa: PTH106
                self.tree.settle(os.path.dirname(folder))  # noqa: PTH120
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
        self.note(op=number, state="undone")

    def _unstep(self, number, op):
        if not self.last(number):
            self._drop_parts(op)
            return
        done = self.record(number, "done")
        # A list: every output is looked at, also after one that cannot be restored.
        restored = [self._restored(number, place, path, done) for place, path in enumerate(op["outputs"])]
        again = op["argv"] if op.get("undo") is None else op["undo"]
        if again and not (restored and all(restored)):
            self.tree.run(again)
            self._same_age(number, op)
        self._drop_parts(op)
        self.note(op=number, state="undone")

    def _same_age(self, number, op):
        """Give what a command brought back to the byte the time that it had."""
        for place, path in enumerate(op["outputs"]):
            kept = self.record(number, "kept", place)
            if kept is not None and kept["was"] and digest_of(self.tree.read(path)) == kept["sha"]:
                os.utime(self.tree.real(path), ns=(kept["was"]["mtime"],) * 2)

    def _drop_parts(self, op):
        for path in op["outputs"]:
            self.tree.drop(self.tree.part(path))

    def _restored(self, number, place, path, done):
        """Put back what a command wrote over; False when something else is there by now, or the disk is full."""
        kept = self.record(number, "kept", place)
        now = digest_of(self.tree.read(path))
        if kept is None or now == kept["sha"]:
            return kept is not None
        if done is not None and now != done["made"][place]:
            return False
        if kept["was"] is None:
            self.tree.remove(path)
            return True
        copy = self.tree.read(self._copy(number, place))
        if digest_of(copy) != kept["sha"]:
            return False
        try:
            self.tree.write(path, copy["content"], *(kept["was"][key] for key in ("mode", "uid", "gid", "mtime")))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self.tree.drop(self.tree.part(path))
            return False
        say(f"put back {path}")
        return True

    # --- telling

    def told(self):
        """Return its state for the person and for pvekit."""
        steps = []
        for number, op in enumerate(self.ops):
            what = op["path"] if op["kind"] == "file" else " ".join(op["argv"])
            steps.append({"what": what, "kind": op["kind"], "stage": op["stage"], "state": self.last(number) or "open"})
        skipped = [
            " ".join(op["argv"])
            for number, op in enumerate(self.ops)
            if (self.record(number, "done") or {}).get("skipped")
        ]
        return {
            "name": self.name,
            "folder": self.folder,
            "phase": self.phase,
            "open": self.phase in OPEN,
            "made": self.changes.get("made", ""),
            "trial": self.trial,
            "steps": steps,
            "skipped": skipped,
            "notes": [record["note"] for record in self.records if "note" in record],
        }


def digest_of(seen):
    """Return the SHA-256 of a file's content; "absent" when there is none."""
    return digest(None if seen is None else seen["content"])


# --- the journals of a host


def names_of(tree):
    """Return the names of all journals, the oldest first."""
    return [name for name in tree.names(HOME) if _FOLDER.fullmatch(name)]


def journals(tree):
    """Return all journals, the oldest first."""
    return [Journal(tree, name) for name in names_of(tree)]


def current(tree):
    """Return the newest journal that is not rolled back; None when there is none."""
    return next((item for item in reversed(journals(tree)) if item.phase != "rolled-back"), None)


def next_number(tree):
    """Return the number of the next journal."""
    return max((int(_FOLDER.fullmatch(name).group(1)) for name in names_of(tree)), default=0) + 1


@contextlib.contextmanager
def locked(tree):
    """Hold the lock of this host; nobody else changes it meanwhile."""
    tree.make_folders(f"{HOME}/lock", 0o700)
    handle = os.open(tree.real(f"{HOME}/lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Failure("another run is at work on this host", "Wait until it has ended; see status.") from error
        sweep(tree)
        yield
    finally:
        os.close(handle)


def sweep(tree):
    """Remove journals that a power cut left before they were whole; nothing was changed for them."""
    for name in tree.names(HOME):
        if name.startswith(".new-"):
            for file in tree.names(f"{HOME}/{name}"):
                tree.drop(f"{HOME}/{name}/{file}")
            os.rmdir(tree.real(f"{HOME}/{name}"))  # noqa: PTH106


def new_journal(tree, changes):
    """Write a journal down, whole, before anything is changed."""
    name = changes.get("folder") or f"{next_number(tree):04d}-{changes['id']}"
    found = _FOLDER.fullmatch(name)
    if found is None or found.group(2) != changes["id"]:
        raise Failure(f"not a name for a journal: {name!r}")
    if int(found.group(1)) != next_number(tree):
        raise Failure("the host was changed since the plan was made", "Plan again.")
    if not _ADDRESS.fullmatch((changes.get("trial") or {}).get("address", "")):
        raise Failure("the address that has to answer is none")
    changes = {**changes, "folder": name, "ops": [complete(tree, op) for op in changes["ops"]]}
    with open(os.path.abspath(__file__), "rb") as file:  # noqa: PTH100, PTH123
        program = file.read()
    new = f"{HOME}/.new-{name}"
    os.mkdir(tree.real(new), 0o700)  # noqa: PTH102
    owner = (os.geteuid(), os.getegid())
    tree.write(f"{new}/passthrough.py", program, 0o700, *owner)
    tree.write(f"{new}/log", b"", 0o600, *owner)
    tree.write(f"{new}/changes.json", json.dumps(changes, indent=1).encode() + b"\n", 0o600, *owner)
    os.rename(tree.real(new), tree.real(f"{HOME}/{name}"))  # noqa: PTH104
    tree.settle(HOME)
    return Journal(tree, name)


def complete(tree, op):
    """Return a step with what is there before it; a file that is not as the plan saw it is refused."""
    if op["kind"] == "step":
        if not isinstance(op["argv"], list) or not op["argv"]:
            raise Failure("a step without a command")
        if not tree.root and not tree.command(op["argv"][0]):
            raise Failure(f"there is no {op['argv'][0]} on this host; nothing was changed")
        return {"outputs": [], "undo": None, **op}
    before = tree.read(op["path"])
    if digest_of(before) != op["seen"]:
        raise Failure(f"{op['path']} was changed since the plan was made; nothing was changed", "Plan again.")
    after = None
    if op["after"] is not None:
        owner = (before["uid"], before["gid"]) if before else (os.geteuid(), os.getegid())
        mode = int(op["mode"], 8) if op.get("mode") else (before or {"mode": 0o644})["mode"]
        after = {"content": base64.b64decode(op["after"]), "mode": mode, "uid": owner[0], "gid": owner[1], "mtime": 0}
    return {**op, "before": packed(before), "after": packed(after), "folders": tree.missing_folders(op["path"])}


# --- the verbs


def apply(tree, changes):
    """Write the journal, then do what it says."""
    if changes.get("version") != VERSION:
        raise Failure(f"a change set of version {changes.get('version')!r}; this program knows {VERSION}")
    with locked(tree):
        last = current(tree)
        if last is not None and last.phase in OPEN:
            raise Failure(f"the changes of {last.name} are not finished ({last.phase})", "resume, confirm or rollback")
        if not changes["ops"]:
            return {"changed": False, "journal": None}
        journal = new_journal(tree, changes)
        journal.note(phase="applying")
        return go_on(journal)


def go_on(journal):
    """Bring a journal to the end of what it is in the middle of."""
    phase = journal.phase
    if phase == "applying":
        journal.forward(("now", "trial") if journal.trial else ("now", "late"))
        journal.note(phase="trial" if journal.trial else "applied")
    elif phase == "confirming":
        journal.forward(("late",))
        journal.back(("trial",))
        journal.note(phase="applied")
    elif phase == "rolling-back":
        leave = next((r["leave"] for r in reversed(journal.records) if r.get("phase") == "rolling-back"), [])
        journal.back(("now", "late", "trial"), leave)
        journal.note(phase="rolled-back")
    return {"changed": journal.phase != phase, "journal": journal.told()}


def resume(tree):
    """Go on where it was interrupted."""
    with locked(tree):
        journal = current(tree)
        if journal is None or journal.phase not in OPEN:
            return {"changed": False, "journal": None if journal is None else journal.told()}
        return go_on(journal)


def rollback(tree, leave=()):
    """Put everything back as it was before the newest change set."""
    with locked(tree):
        return roll_back(tree, leave)


def roll_back(tree, leave=()):
    """Do it while the lock is held."""
    journal = current(tree)
    if journal is None:
        return {"changed": False, "journal": None}
    # Refused before it is written down that the way back was taken: then going forward stays possible.
    journal._refuse_foreign(("now", "late", "trial"), leave)  # noqa: SLF001
    if journal.phase != "rolling-back" or leave:
        journal.note(phase="rolling-back", leave=list(leave))
    return go_on(journal)


def confirm(tree):
    """Make what the trial boot showed the state of every boot."""
    with locked(tree):
        journal = current(tree)
        if journal is None or journal.phase not in ("trial", "confirming"):
            raise Failure("there is no trial to confirm")
        if journal.phase == "trial":
            if not booted(tree, journal):
                raise Failure("this host has not started the trial entry", "Restart it, or roll back.")
            journal.note(phase="confirming")
        return go_on(journal)


def status(tree):
    """Return where everything is."""
    known = journals(tree)
    last = next((item for item in reversed(known) if item.phase != "rolled-back"), None)
    shown = last or (known[-1] if known else None)
    told = None
    if shown is not None:
        told = {**shown.told(), "booted": booted(tree, shown) if shown.trial else None}
    return {"journal": told, "all": [{"name": item.name, "phase": item.phase} for item in known]}


def booted(tree, journal):
    """Tell whether this boot is the trial's."""
    return bool(journal.trial) and journal.trial["marker"] in tree.text("/proc/cmdline").split()


def boot_check(tree, sleep=time.sleep, clock=time.monotonic):
    """Decide at boot: keep the trial, or put everything back and start again."""
    with locked(tree):
        journal = current(tree)
        phase = None if journal is None else journal.phase
        if phase in ("confirming", "rolling-back"):
            return go_on(journal)
        if phase == "applying" and booted(tree, journal):
            # The power went between setting the entry for one boot and writing that down.
            journal.note(phase="trial")
        elif phase != "trial":
            return {"changed": False, "journal": None if journal is None else journal.told()}
        if not booted(tree, journal):
            journal.remark("the host came back with the old entry: the trial did not come up")
            return roll_back(tree)
    trial = journal.trial
    if not wait(lambda: network(tree, trial.get("address", "")), trial["network_seconds"], sleep, clock):
        return give_up(tree, f"no network within {trial['network_seconds']} s")
    journal.remark("the trial came up, and the network with it")
    if not wait(lambda: settled(tree, journal.name), trial["confirm_seconds"], sleep, clock):
        return give_up(tree, f"nobody confirmed within {trial['confirm_seconds']} s")
    return {"changed": False, "journal": Journal(tree, journal.name).told()}


def settled(tree, name):
    """Tell whether somebody has decided about the trial."""
    return Journal(tree, name).phase != "trial"


def give_up(tree, why):
    """Put everything back and start the host again."""
    with locked(tree):
        journal = current(tree)
        if journal is None or journal.phase != "trial":
            return {"changed": False, "journal": None if journal is None else journal.told()}
        journal.remark(why)
        done = roll_back(tree)
    tree.run(["systemctl", "reboot"])
    return done


def wait(ready, seconds, sleep, clock):
    """Wait until something is so; False when the time is over."""
    end = clock() + seconds
    while not ready():
        if clock() >= end:
            return False
        sleep(2)
    return True


def network(tree, address):
    """Tell whether the interface of the default route is up and, if one is named, an address answers."""
    interfaces = set()
    for line in tree.text("/proc/net/route").splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == "00000000":
            interfaces.add(words[0])
    for line in tree.text("/proc/net/ipv6_route").splitlines():
        words = line.split()
        if len(words) > 9 and words[0] == "0" * 32 and words[1] == "00" and words[9] != "lo":
            interfaces.add(words[9])
    up = any(tree.text(f"/sys/class/net/{name}/operstate").strip() in ("up", "unknown") for name in interfaces)
    return up and (not address or answers(tree, address))


def answers(tree, address):
    """Tell whether ``host:port`` takes a connection, or a host answers a ping."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=3):
                return True
        except OSError:
            return False
    with contextlib.suppress(Failure):
        return tree.run(["ping", "-c", "1", "-W", "2", address])
    return False


# --- look


def look(tree):
    """Return what can be changed here and how this host starts; nothing is changed."""
    cmdline = tree.text("/proc/cmdline").strip()
    loader, why = loader_of(tree, cmdline)
    release = tree.text("/proc/sys/kernel/osrelease").strip()
    kernels = [name[len("vmlinuz-") :] for name in tree.names("/boot") if name.startswith("vmlinuz-")]
    last = current(tree) if os.access(tree.real(HOME), os.R_OK) else None
    return {
        "version": VERSION,
        "loader": loader,
        "loader_why": why,
        "cmdline": cmdline,
        "release": release,
        "kernels": kernels,
        "images": [name for name in kernels if tree.exists(f"/boot/initrd.img-{name}")],
        "initramfs": initramfs_of(tree),
        "esps": esps_of(tree),
        "once": once_of(tree, loader),
        "files": {path: looked(tree, path) for path in paths_of(tree)},
        "next": f"{next_number(tree):04d}",
        "journal": None if last is None else last.told(),
    }


def paths_of(tree):
    """Return the files that could be changed and are there; links (modules-load.d has one) are never changed."""
    found = []
    for pattern in LOOKED_AT:
        folder, name = os.path.split(pattern)
        found += [f"{folder}/{item}" for item in tree.names(folder) if fnmatch.fnmatchcase(item, name)]
    return [path for path in found if path in EDITED or not os.path.islink(tree.real(path))]  # noqa: PTH114


def looked(tree, path):
    """Return a file's mode, digest and content; why not, when it cannot be read."""
    try:
        seen = tree.read(path)
    except (Failure, OSError) as error:
        return {"problem": str(error)}
    if seen is None:
        return None
    content = base64.b64encode(seen["content"]).decode()
    return {"mode": f"{seen['mode']:04o}", "sha256": digest_of(seen), "content": content}


def loader_of(tree, cmdline):
    """Return what really started this kernel, and how that is known."""
    tool = esps_of(tree)
    image = next((word for word in cmdline.split() if word.startswith("BOOT_IMAGE=")), "")
    stub = next((word for word in cmdline.split() if word.startswith("initrd=\\")), "")
    if stub:
        return ("proxmox-systemd-boot" if tool else "systemd-boot"), stub
    if image and tool and "/boot/" not in image:
        return "proxmox-grub", f"{image}, and /etc/kernel/proxmox-boot-uuids names partitions"
    if image:
        return "grub", image
    return "unknown", "the kernel's options tell no boot loader"


def esps_of(tree):
    """Tell whether proxmox-boot-tool keeps copies of kernels and images on partitions of its own."""
    lines = tree.text("/etc/kernel/proxmox-boot-uuids").splitlines()
    return any(line.strip() and not line.startswith("#") for line in lines)


def initramfs_of(tree):
    """Return the program that makes the initramfs."""
    if tree.exists("/etc/initramfs-tools") and tree.command("update-initramfs"):
        return "initramfs-tools"
    return "dracut" if tree.command("dracut") else "none"


def once_of(tree, loader):
    """Return "" when an entry can be started once and never again by itself, else why not."""
    if loader != "grub":
        return f"an entry for one boot is made for plain GRUB only; this host starts with {loader}"
    config = tree.text("/boot/grub/grub.cfg")
    if "next_entry" not in config or "custom.cfg" not in config:
        return "/boot/grub/grub.cfg has no place for such an entry (next_entry, custom.cfg)"
    if not tree.exists("/boot/grub/grubenv"):
        return "there is no /boot/grub/grubenv"
    if not (tree.command("grub-reboot") and tree.command("grub-editenv")):
        return "grub-reboot and grub-editenv are not installed"
    return mount_problem(tree)


def mount_problem(tree):
    """Return why GRUB itself cannot write below /boot/grub; it would start such an entry again and again."""
    best = ("", "", "")
    for line in tree.text("/proc/self/mountinfo").splitlines():
        words = line.split()
        point, kind = words[4], words[words.index("-") + 1]
        inside = point == "/" or "/boot/grub/grubenv".startswith(f"{point}/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind, words[2])
    point, kind, number = best
    if kind not in _PLAIN_FILE_SYSTEMS:
        return f"GRUB cannot write to {kind or 'the file system'} of /boot/grub, so it could not forget the entry"
    block = os.path.realpath(tree.real(f"/sys/dev/block/{number}"))
    if re.search(r"/(?:dm-|md|bcache)\d", block):
        return "GRUB cannot write to LVM, RAID or encrypted disks, so it could not forget the entry"
    return ""


# --- the command line


def main(arguments=None):
    """Run a verb and return the exit code."""
    parser = argparse.ArgumentParser(prog="passthrough.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", default="", help="work on a tree below this folder")
    parser.add_argument("verb", choices=["look", "apply", "resume", "rollback", "confirm", "status", "boot-check"])
    parser.add_argument("--leave", action="append", default=[], metavar="PATH", help="rollback: keep this file")
    given = parser.parse_args(arguments)
    tree = Tree(os.path.abspath(given.root) if given.root else "")  # noqa: PTH100
    os.umask(0o022)
    # A lost connection is no reason to stop half-way.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = {"ok": True, **verb_of(tree, given)}
    except Failure as error:
        result = {"ok": False, "error": str(error), "hint": error.hint}
    except OSError as error:
        result = {"ok": False, "error": f"{error.strerror or error}: {error.filename or ''}", "hint": ""}
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    if not result["ok"]:
        say(f"error: {result['error']}" + (f"\nnext: {result['hint']}" if result["hint"] else ""))
    return 0 if result["ok"] else 1


def verb_of(tree, given):
    """Do what was asked for."""
    if given.verb != "look" and os.geteuid() != 0 and not tree.root:
        raise Failure("only root can do this")
    if given.verb == "apply":
        return apply(tree, json.load(sys.stdin))
    if given.verb == "rollback":
        return rollback(tree, given.leave)
    verbs = {"look": look, "resume": resume, "confirm": confirm, "status": status, "boot-check": boot_check}
    return verbs[given.verb](tree)


if __name__ == "__main__":
    sys.exit(main())

"""Runs the scripts of an answer CD under Wine: its cmd.exe and VBScript are real ones, the tools of WinPE are stubs."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from pathlib import Path

from pvekit.adapters.windows.render import PE_COMMAND, render
from pvekit.model.answer.values import DRIVERS
from tests.answer.good import PRO

COMPILER = "x86_64-w64-mingw32-gcc"
TOOLS = ("drvload", "cscript", "diskpart", "dism", "bcdboot", "wpeutil")
_PATIENCE_S = 90.0
_LAST_WORDS_S = 4.0

# Notes down its command line, says what it is told to say, and ends with the code that it is told for such a line.
_STUB = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

int main(int count, char **words) {
    const char *line = GetCommandLineA(), *fail = getenv("STUB_FAIL"), *says = getenv("STUB_SAYS");
    FILE *log = fopen(getenv("STUB_LOG"), "a");
    if (count < 1 || !log) return 99;
    fprintf(log, "%s\n", line);
    fclose(log);
    if (strstr(words[0], "cscript") && says) puts(says);
    const char *code = fail ? strrchr(fail, '=') : 0;
    if (code) {
        char part[200] = {0};
        strncpy(part, fail, code - fail < 199 ? code - fail : 199);
        if (strstr(line, part)) return atoi(code + 1);
    }
    return 0;
}
"""


def missing() -> str:
    """Return why the tests cannot run here, empty when they can."""
    absent = [name for name in ("wine", "wineserver", COMPILER) if shutil.which(name) is None and not _server(name)]
    if not absent:
        return ""
    return f"no {', '.join(absent)} here: apt-get install wine wine64 gcc-mingw-w64-x86-64-win32"


def _server(name: str) -> bool:
    # Debian keeps it beside the loader, and wine finds it there.
    return name == "wineserver" and any(Path("/usr/lib/wine").glob("wineserver*"))


class Pc:
    """A Windows PC in a folder: C: is Wine's own, D: the answer CD, E: the setup CD, S: and W: the new partitions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.cd, self.setup, self.windows = folder / "cd", folder / "setup", folder / "w"
        for each in (self.cd, self.setup / "sources", self.windows, folder / "s", folder / "stubs"):
            each.mkdir(parents=True)
        self._compile()
        self._env = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "WINEPREFIX": str(folder / "prefix"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "STUB_LOG": self._inside(self.log),
        }
        subprocess.run(["wineboot", "-i"], env=self._env, check=True, capture_output=True, timeout=240)
        for letter, target in (("d", self.cd), ("e", self.setup), ("s", folder / "s"), ("w", self.windows)):
            (folder / "prefix" / "dosdevices" / f"{letter}:").symlink_to(target)

    def _compile(self) -> None:
        source, program = self.folder / "stub.c", self.folder / "stub.exe"
        source.write_text(_STUB)
        subprocess.run([COMPILER, "-o", str(program), str(source)], check=True, capture_output=True, timeout=120)
        for name in TOOLS:
            shutil.copy(program, self.folder / "stubs" / f"{name}.exe")

    def _inside(self, path: Path) -> str:
        return "Z:" + str(path).replace("/", "\\")

    def fill(self) -> None:
        """Put fresh CDs in and take the new partitions away."""
        for each in (self.cd, self.setup, self.windows):
            shutil.rmtree(each)
            each.mkdir()
        self.log.unlink(missing_ok=True)
        for name, data in render(PRO).items():
            (self.cd / name).parent.mkdir(parents=True, exist_ok=True)
            (self.cd / name).write_bytes(data)
        for driver in DRIVERS:
            folder = self.cd / "pvekit" / "drivers" / driver
            folder.mkdir(parents=True)
            (folder / f"{driver.lower()}.inf").write_text("")
        (self.setup / "sources").mkdir()
        (self.setup / "sources" / "install.wim").write_text("")

    def install(self, *, says: str, fail: str = "") -> list[str]:
        """Run what the answer file tells Setup to run, until it waits; return the lines on the screen."""
        env = {**self._env, "WINEPATH": self._inside(self.folder / "stubs"), "STUB_SAYS": says, "STUB_FAIL": fail}
        command = PE_COMMAND.removeprefix('cmd.exe /c "').removesuffix('"')
        # The open pipe is a console on which nobody presses a key: pause waits on it.
        with subprocess.Popen(
            ["wine", "cmd.exe", "/c", command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                return _read(process, ("Nothing goes on by itself", "Press any key"))
            finally:
                self.stop()
                process.kill()

    def look(self, script: Path, *words: str) -> tuple[int, str]:
        """Run a VBScript with Wine's own cscript; return its code and what it says."""
        target = self.cd / script.name
        if script != target:
            shutil.copy(script, target)
        done = subprocess.run(
            ["wine", "cscript.exe", f"D:\\{script.name}", *words],
            env=self._env,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        return done.returncode, done.stdout.decode("latin-1").strip()

    def calls(self) -> list[str]:
        """Return the command lines of the tools, in order."""
        return [line.strip() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def stop(self) -> None:
        """End everything that runs in this PC, and nothing else."""
        subprocess.run(["wineserver", "-k"], env=self._env, check=False, capture_output=True, timeout=30)


def _read(process: subprocess.Popen[bytes], ends: tuple[str, ...]) -> list[str]:
    assert process.stdout is not None
    seen = b""
    leaving = False
    deadline = time.monotonic() + _PATIENCE_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(timeout=1):
                continue
            part = os.read(process.stdout.fileno(), 65536)
            seen += part
            if not part or any(end.encode() in seen for end in ends):
                break
            if not leaving and b"switching off" in seen:
                # Now either nothing more comes, or that it could not.
                leaving, deadline = True, time.monotonic() + _LAST_WORDS_S
    time.sleep(0.5)
    return [line.strip() for line in seen.decode("latin-1").splitlines() if line.strip()]

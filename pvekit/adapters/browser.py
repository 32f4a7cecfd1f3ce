"""Pictures of pages by a browser that is on the machine, without a window and without a net."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pvekit.model.errors import PvekitError

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FIREFOX = ("firefox", "firefox-esr")
_QUIET = (
    "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--no-first-run", "--no-default-browser-check", "--mute-audio",
    "--hide-scrollbars", "--force-device-scale-factor=1", "--disable-dev-shm-usage", "--proxy-server=127.0.0.1:9",
)  # fmt: skip
"""A page needs no net; where the browser still wants one, it finds a proxy that is not there."""
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_ASK = "<script>document.title='height '+Math.ceil(document.documentElement.getBoundingClientRect().height)</script>"
_TALLEST = 16000
_FIRST = 1000


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser on this machine."""

    path: str
    chromium: bool


def find() -> Browser | None:
    """Return a browser that can take pictures, Chromium's kind first."""
    for names, chromium in ((_CHROMIUM, True), (_FIREFOX, False)):
        for name in names:
            path = shutil.which(name)
            if path is not None:
                return Browser(path, chromium)
    return None


def need() -> Browser:
    """Return a browser. Raises PvekitError when there is none."""
    found = find()
    if found is None:
        raise PvekitError(
            "no browser that could take a picture is installed",
            where=", ".join((*_CHROMIUM, *_FIREFOX)),
            hint="Install the package chromium (apt-get install chromium), or write --html and open it where one is.",
        )
    return found


def picture(page: str, width: int, *, browser: Browser, timeout: float = 120.0) -> bytes:
    """Return the whole page as PNG, ``width`` pixels wide.

    The browser gets an empty profile of its own. Raises PvekitError when it fails or takes longer than ``timeout``
    seconds for one of its two starts.
    """
    with tempfile.TemporaryDirectory(prefix="pvekit-page-") as name:
        folder = Path(name)
        made = folder / "page.png"
        source = folder / "page.html"
        if browser.chromium:
            # The window has to be as tall as the page: a copy that may run a script tells how tall that is.
            source.write_text(_POLICY.sub("", page).replace("</body>", f"{_ASK}</body>"), encoding="utf-8")
            height = _height(browser, folder, source, width, timeout)
            source.write_text(page, encoding="utf-8")
            size = f"--window-size={width},{min(height, _TALLEST)}"
            _run(browser, [*_options(folder), size, f"--screenshot={made}", source.as_uri()], folder, timeout)
        else:
            source.write_text(page, encoding="utf-8")
            options = ["--headless", "--no-remote", "--profile", str(folder / "profile")]
            (folder / "profile").mkdir()
            size = f"--window-size={width}"
            _run(browser, [*options, "--screenshot", str(made), size, source.as_uri()], folder, timeout)
        if not made.is_file():
            raise PvekitError("the browser made no picture", where=browser.path, hint="Write --html and open it.")
        return made.read_bytes()


def _height(browser: Browser, folder: Path, source: Path, width: int, timeout: float) -> int:
    """Return how tall the page is in a window of ``width`` pixels."""
    size = f"--window-size={width},{_FIRST}"
    said = _run(browser, [*_options(folder), size, "--dump-dom", source.as_uri()], folder, timeout)
    found = re.search(r"<title>height (\d+)</title>", said)
    if found is None:
        hint = "A browser from a snap cannot read temporary files: install another, or write --html and open it."
        raise PvekitError("the browser did not say how tall the page is", where=browser.path, hint=hint)
    return int(found[1])


def _options(folder: Path) -> list[str]:
    # Chromium refuses to run its sandbox as root.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [*_QUIET, *root, f"--user-data-dir={folder / 'profile'}"]


def _run(browser: Browser, arguments: list[str], folder: Path, timeout: float) -> str:
    variables = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    try:
        done = subprocess.run(
            [browser.path, *arguments], check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout,
            env=variables,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise PvekitError(f"the browser did not end within {timeout:.0f} s", where=browser.path) from error
    except OSError as error:
        raise PvekitError(f"the browser cannot be started: {error.strerror}", where=browser.path) from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise PvekitError(f"the browser ended with {done.returncode}: {' '.join(lines)}", where=browser.path)
    return done.stdout.decode(errors="replace")

"""Started by init: Setup or Windows, as the kernel's command line says. A failure stays on the screen."""

from __future__ import annotations

import time
import traceback

from tests.standin.guest.screen import Failed, cmdline, fail

if __name__ == "__main__":
    try:
        if cmdline().get("standin") == "windows":
            from tests.standin.guest.windows import run
        else:
            from tests.standin.guest.setup import run
        run()
    except Failed as failure:
        fail(failure)
    except Exception:  # noqa: BLE001 - the last one: whatever it was, the screen shows it
        fail(Failed("stand-in", traceback.format_exc()))
    while True:
        time.sleep(3600)

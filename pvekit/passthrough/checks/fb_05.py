"""``initcall_blacklist=sysfb_init`` is set although the card is not the one the firmware boots with.

The option keeps the kernel from describing the firmware's boot screen at all. It is needed when the card that is
passed through is the boot display and newer ways do not help (FB-02). When another card is the boot display, it takes
the host's console away and gains nothing.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, noted, passed

TITLE = "The boot framebuffer is switched off without need"
LAYER = Layer.FRAMEBUFFER
SOURCES = ("Linux drivers/firmware/sysfb.c, sysfb_init()", "Linux init/main.c, initcall_blacklist()")
_REMEDY = Remedy(
    "Remove initcall_blacklist=sysfb_init from the kernel command line: the host gets its console back.",
    risk="none; put it back if the card's BAR cannot be reserved",
)


def check(cmdline: Cmdline | Missing, target: Target | Missing) -> Outcome | None:
    """Compare the option with the target's part in booting."""
    if isinstance(cmdline, Missing) or isinstance(target, Missing):
        return None
    tokens = [token for token in cmdline.all("initcall_blacklist") if "sysfb_init" in (token.value or "")]
    if not tokens or target.card is None or target.card.boot_vga is None:
        return None
    card = target.card
    if card.boot_vga:
        return passed(f"{card.bdf} is the boot display, so the option has a purpose", tokens[0].line, card.line)
    return noted(
        f"{card.bdf} is not the boot display; initcall_blacklist=sysfb_init only takes the console from the host",
        tokens[0].line,
        card.line,
        remedy=_REMEDY,
    )

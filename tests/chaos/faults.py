"""Faults by seed: what a node does wrong to one run, decided by a hash and so the same however threads are timed."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from dataclasses import dataclass, field

# Names of faults of the request, with the answer they give.
REQUESTS = (
    "drop before", "drop after", "silence", "500", "596 before", "596 after", "503 before", "503 after", "lock",
    "ticket",
)  # fmt: skip
OTHERS = ("handshake", "task lock", "slow task", "no start")
DROP, SILENCE = 0, -1
LOCKED_TASKS = frozenset({"qmcreate", "qmstart", "qmconfig", "resize"})


@dataclass(frozen=True)
class Fault:
    """One wrong answer, or none (``DROP``, ``SILENCE``); ``acts`` tells whether the node does first what was asked."""

    status: int
    reason: str
    acts: bool


FAULTS = {
    "drop before": Fault(DROP, "", acts=False),
    "drop after": Fault(DROP, "", acts=True),
    "silence": Fault(SILENCE, "", acts=True),
    "500": Fault(500, "internal server trouble", acts=False),
    "596 before": Fault(596, "Connection timed out", acts=False),
    "596 after": Fault(596, "Broken pipe", acts=True),
    "503 before": Fault(503, "Service Unavailable", acts=False),
    "503 after": Fault(503, "Service Unavailable", acts=True),
    "lock": Fault(500, "can't lock file '/var/lock/qemu-server/lock-0.conf' - got timeout", acts=False),
    "ticket": Fault(401, "permission denied - invalid PVE ticket", acts=False),
}


@dataclass(frozen=True)
class Profile:
    """What may go wrong in one run: the share of requests and tasks hit, and the kinds of fault."""

    seed: int
    rate: float = 0.0
    kinds: tuple[str, ...] = ()
    slow: float = 0.0
    """Seconds that a slow task takes longer."""


def profile(seed: int) -> Profile:
    """Return the profile of a seed."""
    dice = random.Random(seed)
    every = REQUESTS + OTHERS
    kinds = every if dice.random() < 0.3 else tuple(dice.sample(every, dice.randint(1, 4)))
    return Profile(seed, dice.choice((0.02, 0.05, 0.1, 0.2, 0.35)), kinds, dice.choice((0.05, 0.2, 0.6)))


@dataclass
class Script:
    """The faults of one run. Every question is answered by its name and how often it was asked before."""

    profile: Profile
    asked: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    lock_: threading.Lock = field(default_factory=threading.Lock)

    def _dice(self, question: str) -> random.Random | None:
        """Return the dice for this question; None if nothing goes wrong."""
        with self.lock_:
            self.asked[question] += 1
            dice = random.Random(f"{self.profile.seed}/{question}/{self.asked[question]}")
        return dice if dice.random() < self.profile.rate else None

    def _hit(self, question: str, kind: str) -> bool:
        if kind not in self.profile.kinds or self._dice(f"{kind} {question}") is None:
            return False
        self.told.append(f"{kind}: {question}")
        return True

    def pick(self, method: str, path: str, *, ticket: bool) -> Fault | None:
        """Return what goes wrong with a request."""
        request = method + " " + re.sub(r"UPID:(?:[^/:]*:){4}(\w+):([^/:]*):[^/]*", r"UPID:\1:\2", path)
        dice = self._dice(request)
        if dice is None:
            return None
        usable = [kind for kind in REQUESTS if kind in self.profile.kinds]
        usable = [kind for kind in usable if kind != "ticket" or ticket]
        usable = [kind for kind in usable if kind != "lock" or (method in ("PUT", "POST") and "/qemu" in path)]
        # Silence costs the time that the client waits.
        usable = [kind for kind in usable if kind != "silence" or dice.random() < 0.3]
        if not usable:
            return None
        kind = dice.choice(usable)
        self.told.append(f"{kind}: {request}")
        return FAULTS[kind]

    def lock(self, task: str) -> bool:
        """Return whether a task of this type does not get its lock."""
        return task in LOCKED_TASKS and self._hit(task, "task lock")

    def delay(self, task: str) -> float:
        """Return how many seconds a task of this type takes longer."""
        return self.profile.slow if self._hit(task, "slow task") else 0.0

    def handshake(self) -> bool:
        """Return whether a connection is dropped before it is secure."""
        return self._hit("connection", "handshake")

    def no_start(self) -> bool:
        """Return whether a machine does not start."""
        return self._hit("machine", "no start")

"""What can be wrong with a server of language models, each as its own error."""

from __future__ import annotations

from pvekit.model.errors import AuthFailed, GuestNotReady, HostUnreachable, NotFound, PvekitError, TaskFailed


class NothingListens(HostUnreachable):
    """No connection can be made."""


class Untrusted(HostUnreachable):
    """The server's certificate is not one that is trusted."""


class NotOpenAi(PvekitError):
    """Something answers, but not as OpenAI's API does."""


class KeyRefused(AuthFailed):
    """401 or 403."""


class StillLoading(GuestNotReady):
    """The server says 503 for longer than one waits."""


class ModelMissing(NotFound):
    """The server does not have the model."""


class Refused(PvekitError):
    """The server does not take the request: its own words."""


class ServerEnded(TaskFailed):
    """The connection broke while the server was to answer, and it takes no new one."""


class TooSlow(TaskFailed):
    """No answer in time."""

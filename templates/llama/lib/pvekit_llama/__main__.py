"""``pvekit-llama WORD``: one thing it does. Prints what it changed; on a failure says why and ends with 1."""

import errno
import sys

from pvekit_llama import config, fetch, gpu, install, model, serve
from pvekit_llama.run import Failed


def check(settings):
    """Refuse what cannot work before anything is fetched; yield what the playbook has to bring."""
    gpu.judge(settings)
    model.fits(settings)
    model.room(settings)
    for package in install.missing(settings):
        yield f"missing package {package}"
    begin = model.to_send(settings)
    if begin is not None:
        yield f"send {begin}"


def settle(settings):
    """Bring llama.cpp, the model and the server about."""
    yield from install.settle(settings, gpu.judge(settings))
    yield from model.settle(settings)
    yield from serve.settle(settings)


def ask(settings):
    """Ask the model for a few words."""
    yield f"the model answered: {serve.chat(settings)}"


WORDS = {
    "check": (check, "what is missing, and whether it can work"),
    "settle": (settle, "llama.cpp, the model and the server as the stack file wants them"),
    "wait": (serve.wait, "wait until the model is loaded (a part of the unit)"),
    "ask": (ask, "whether the model answers"),
}


def main(argv=None):
    """Do what the first argument says."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] not in WORDS:
        sys.stderr.write("".join(f"pvekit-llama {word:8} {text}\n" for word, (_, text) in WORDS.items()))
        return 2
    try:
        for line in WORDS[words[0]][0](config.load()):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except Failed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{_why(error)}\n")
        return 1
    return 0


def _why(error):
    """Return what a file that could not be written means; copies of many files tell it in a list of texts."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or f"[Errno {errno.ENOSPC}]" in str(error):
        return str(fetch.full(config.ROOT))
    return f"{error}. Look at it in the guest, and run pvekit up again."


if __name__ == "__main__":
    sys.exit(main())

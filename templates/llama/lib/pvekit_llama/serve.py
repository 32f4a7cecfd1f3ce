"""The service: its unit, its port, and whether it answers."""

import hashlib
import json
import os
import re
import socket
import time
import urllib.error
from pathlib import Path

from pvekit_llama import model, web
from pvekit_llama.run import Failed, run

UNIT = "pvekit-llama.service"
LOADING = 3600
"""Seconds that a model may take to load: a large one from a slow disk."""
ANSWER = 600
_TOO_LARGE = "the model does not fit into memory. Give the VM more, or take a smaller model, quantisation or context."
NO_CHAT = ("--embedding", "--embeddings", "--rerank", "--reranking")


def settle(config):
    """Start the server anew where something changed, and ask it; yield what was changed."""
    model.fits(config)
    wanted = config.staged.read_text(encoding="utf-8")
    main = _main_pid()
    now = _digest(config, wanted)
    before = config.state.read_text(encoding="utf-8") if config.state.exists() else ""
    if before != now or not main:
        _port(config, main)
        _sleeps(config)
        earlier = config.unit.read_text(encoding="utf-8") if config.unit.exists() else ""
        _put(config, earlier, wanted)
        run("systemctl", "--quiet", "enable", UNIT)
        try:
            _start(config)
        except Failed as error:
            raise _back(config, earlier, wanted, error) from None
        yield "changed: llama-server was started"
    healthy(config, time.monotonic() + 60)
    said = chat(config)
    config.state.write_text(now, encoding="utf-8")
    config.state.chmod(0o600)
    yield from model.tidy(config)
    yield f"the model answered: {said}"


def _put(config, now, wanted):
    if now != wanted:
        config.unit.write_text(wanted, encoding="utf-8")
        run("systemctl", "daemon-reload")


def _back(config, earlier, wanted, error):
    """Have the server run as before when it does not run as wanted; return the error with what came of it."""
    if not earlier or earlier == wanted:
        return error
    _put(config, wanted, earlier)
    try:
        _start(config)
    except Failed:
        return error
    return Failed(f"{error}\nThe server runs again as it did before.")


def _start(config):
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    run("systemctl", "reset-failed", UNIT, good=range(256))
    try:
        run("systemctl", "restart", UNIT, timeout=LOADING + 60)
    except Failed:
        lines = run("journalctl", "-u", UNIT, "-o", "cat", "--no-pager", "-n", "40", "--since", since, good=range(256))
        run("systemctl", "stop", UNIT, good=range(256))
        raise Failed(_why(config, lines)) from None


def _why(config, log):
    """Return what a failed start means, with the last lines of the log."""
    port = config.settings["port"]
    reasons = (
        (r"couldn't bind|address already in use", f"the port {port} is in use. Write another llama: port."),
        (r"unable to allocate|out of memory|failed to allocate|cannot allocate|oom", _TOO_LARGE),
        (r"failed to load model|invalid magic|unknown model architecture", "llama.cpp cannot load the model."),
        (r"invalid argument|error while handling argument", "llama-server does not know an argument. Correct args."),
        (r"error while loading shared libraries|cannot open shared object", "a library is missing."),
    )  # fmt: skip
    text = next((text for pattern, text in reasons if re.search(pattern, log, re.I)), "llama-server did not start.")
    kept = [line for line in log.splitlines() if line.strip() and not line.startswith(("Starting", "Stopped"))]
    return text + " Its last lines:\n" + "\n".join(f"  {line}" for line in kept[-12:])


def _port(config, main):
    """Raise Failed when another program has the port."""
    host, port = config.settings["host"], config.settings["port"]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            pass
        else:
            return
    text = run("ss", "-Hltnp", f"sport = :{port}", good=range(256))
    if main and f"pid={main}," in text:
        return
    found = re.search(r'\(\("([^"]+)",pid=(\d+)', text)
    owner = f" by {found[1]} (process {found[2]})" if found else ""
    raise Failed(f"the port {port} is in use{owner}. Write another llama: port, or stop that program.")


def _sleeps(config):
    if not config.settings.get("idle_unload"):
        return
    if "--sleep-idle-seconds" not in run(str(config.server), "--help", timeout=120):
        raise Failed("this llama.cpp cannot unload an idle model. Remove idle_unload, or take a newer one.")


def _main_pid():
    text = run("systemctl", "show", "-p", "MainPID", "-p", "ActiveState", UNIT, good=range(256))
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return int(values.get("MainPID", "0")) if values.get("ActiveState") == "active" else 0


def _digest(config, unit):
    """Return a sum over all that the running server was started with."""
    digest = hashlib.sha256(unit.encode())
    for path in (config.key, config.extra):
        digest.update(path.read_bytes() if path.exists() else b"-")
    server = config.server.resolve()
    digest.update(f"{server} {server.stat().st_size} {server.stat().st_mtime_ns}".encode())
    return digest.hexdigest()


def base(config):
    """Return where the server is reached from inside."""
    return f"http://127.0.0.1:{config.settings['port']}"


def healthy(config, until, alive=lambda: True):
    """Wait until the model is loaded. Failed when the time is over or the server is gone."""
    reason = "no answer"
    while time.monotonic() < until:
        try:
            with web.opened(f"{base(config)}/health", timeout=10) as answer:
                if answer.status == 200:
                    return
        except urllib.error.HTTPError as error:
            reason = "it is loading the model" if error.code == 503 else f"it says {error.code}"
        except (OSError, ValueError) as error:
            reason = str(error)
        if not alive():
            raise Failed("llama-server has ended.")
        time.sleep(0.3)
    raise Failed(f"llama-server is not ready: {reason}. Its log: journalctl -u {UNIT}")


def wait(config):
    """Wait, as a part of the unit, until the model is loaded or the server has ended."""
    main = Path("/proc") / os.environ.get("MAINPID", "0")
    healthy(config, time.monotonic() + LOADING, alive=main.exists)
    return iter(())


def chat(config):
    """Ask the model for a few words and return them. Failed when it does not answer."""
    if any(argument in NO_CHAT for argument in config.settings["args"]):
        return "(it is not for chatting)"
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_key(config)}"}
    url, data = f"{base(config)}/v1/chat/completions", json.dumps(body).encode()
    try:
        with web.opened(url, headers=headers, data=data, timeout=ANSWER) as answer:
            document = json.loads(answer.read().decode(errors="replace"))
        count = document["usage"]["completion_tokens"]
        document["choices"][0]["message"]
    except urllib.error.HTTPError as error:
        text = error.read(600).decode(errors="replace")
        raise Failed(f"the chat was refused with {error.code}: {text}") from None
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise Failed(f"the chat was not answered: {error}. The log: journalctl -u {UNIT}") from None
    return f"{count} tokens"


def _key(config):
    lines = config.key.read_text(encoding="utf-8").splitlines() if config.key.exists() else []
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("LLAMA_API_KEY=")), "")

"""Tells a person that something failed: by mail through their own server, and to a program of theirs on its stdin."""

import shlex
import smtplib
import socket
import ssl
import subprocess
from email.message import EmailMessage

from pvekit_nas.config import ALERT_PASSWORD
from pvekit_nas.run import Failed, run

TIMEOUT_S = 60
TLS_PORT = 465


def unit_failed(config, unit):
    """Send a unit's last words."""
    words = run("journalctl", "--unit", unit, "--lines", "30", "--output", "cat", "--no-pager", good=range(256))
    host = socket.gethostname()
    yield from send(config.alert, f"{host}: {unit} failed", words.strip() or "It left no word. Look: journalctl")


def send(alert, subject, text):
    """Send by all ways there are; Failed when one of them did not work. Without any, the journal has it."""
    failed = []
    for way in (_mail, _command):
        try:
            yield from way(alert, subject, text)
        except (OSError, smtplib.SMTPException, subprocess.SubprocessError) as error:
            # smtplib's own texts name the server's answer, never the password.
            failed.append(f"{way.__name__.strip('_')}: {error}")
    if failed:
        raise Failed("; ".join(failed))


def _mail(alert, subject, text):
    if not alert.get("mail"):
        return
    host, _, port = alert["server"].partition(":")
    message = EmailMessage()
    message["Subject"], message["To"] = subject, alert["mail"]
    message["From"] = alert["user"] if "@" in (alert.get("user") or "") else alert["mail"]
    message.set_content(text)
    context = ssl.create_default_context()
    number = int(port or 587)
    if number == TLS_PORT:
        server = smtplib.SMTP_SSL(host, number, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, number, timeout=TIMEOUT_S)
    with server:
        server.ehlo()
        # A password is never sent in the clear: without TLS there this raises.
        if number != TLS_PORT and (alert.get("user") or server.has_extn("starttls")):
            server.starttls(context=context)
        if alert.get("user"):
            server.login(alert["user"], ALERT_PASSWORD.read_text(encoding="utf-8"))
        server.send_message(message)
    yield f"mail sent to {alert['mail']}"


def _command(alert, subject, text):
    if not alert.get("command"):
        return
    argv = shlex.split(alert["command"])
    subprocess.run(argv, input=f"{subject}\n\n{text}\n", text=True, timeout=TIMEOUT_S, check=True, capture_output=True)
    yield f"{argv[0]} was told"

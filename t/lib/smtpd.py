"""The tests' mail server: smtpd.py PORT DIR MAILS

STARTTLS and AUTH are compulsory (DIR/cert.pem, DIR/cert.key; user "portail",
password in DIR/password).  Each mail becomes MAILS/<number>.eml, the envelope
and how it came in X- headers on top.  DIR/attempts has a line for each message
that came, whatever became of it, DIR/logins one for each log-in: its TLS.
DIR/fault, looked at for each mail, makes it misbehave: see Portal::Stack's
mail_fault.
"""

import asyncio
import itertools
import os
import signal
import ssl
import sys
from email.parser import BytesHeaderParser as Parser

from aiosmtpd.smtp import AuthResult, SMTP

PORT, DIR, MAILS = int(sys.argv[1]), sys.argv[2], sys.argv[3]
PASSWORD = open(f"{DIR}/password", "rb").read().strip()
NUMBERS = itertools.count(
    1 + max((int(f.split(".")[0]) for f in os.listdir(MAILS)), default=0))


def fault():
    try:
        return (open(f"{DIR}/fault").read().split() + [""])[:2]
    except FileNotFoundError:
        return "", ""


def counted(kind, count):
    """A fault with a number ends after so many mails."""
    if count.isdigit():
        if int(count) <= 1:
            os.unlink(f"{DIR}/fault")
        else:
            with open(f"{DIR}/fault.new", "w") as f:
                f.write(f"{kind} {int(count) - 1}\n")
            os.rename(f"{DIR}/fault.new", f"{DIR}/fault")


def new_triplet(*triplet):
    """What a greylist asks: a sender and a recipient that it has not met."""
    line = " ".join(triplet) + "\n"
    with open(f"{DIR}/triplets", "a+") as f:
        f.seek(0)
        known = line in f.readlines()
        if not known:
            f.write(line)
    return not known


def authenticate(server, session, envelope, mechanism, data):
    with open(f"{DIR}/logins", "a") as f:
        f.write(tls_version(server) + "\n")
    good = (data.login == b"portail" and data.password == PASSWORD
            and fault()[0] != "535")
    return AuthResult(success=good, handled=good)


def tls_version(server):
    tls = server.transport.get_extra_info("ssl_object")
    return tls.version() if tls else "none"


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        kind, arg = fault()
        if kind == "451":
            counted(kind, arg)
            return "451 4.3.0 try again later"
        if kind == "slow":
            await asyncio.sleep(float(arg))
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        kind, arg = fault()
        if kind == "550" and arg in ("", address):
            return "550 5.1.1 no such mailbox"
        if kind == "grey" and new_triplet(envelope.mail_from, address):
            return "451 4.7.1 not known yet, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        kind, arg = fault()
        with open(f"{DIR}/attempts", "a") as f:
            f.write(Parser().parsebytes(envelope.content)["Message-ID"] + "\n")
        if kind == "cut":
            counted(kind, arg)
            server.transport.abort()
            return "421 4.3.2 closing"
        if kind == "554" and arg in ("", envelope.rcpt_tos[0]):
            return "554 5.6.0 no such message here"
        name = f"{MAILS}/{next(NUMBERS):05d}.eml"
        with open(f"{name}.new", "wb") as f:
            f.write(f"X-Mail-From: {envelope.mail_from}\r\n".encode())
            f.write(f"X-Rcpt-To: {','.join(envelope.rcpt_tos)}\r\n".encode())
            f.write(f"X-Tls: {tls_version(server)}\r\n".encode())
            f.write(f"X-Auth: {session.authenticated}\r\n".encode())
            f.write(envelope.original_content)
        os.rename(f"{name}.new", name)
        if kind == "cutafter":
            counted(kind, arg)
            server.transport.abort()
        return "250 OK"


class Drip(asyncio.Protocol):
    """A greeting of a byte a second that never ends, and is never late."""

    def connection_made(self, transport):
        self.task = asyncio.ensure_future(self.drip(transport))

    def connection_lost(self, why):
        self.task.cancel()

    async def drip(self, transport):
        for byte in itertools.cycle(b"220-patience\r\n"):
            transport.write(bytes([byte]))
            await asyncio.sleep(1)


async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(f"{DIR}/cert.pem", f"{DIR}/cert.key")
    loop = asyncio.get_running_loop()

    def connection():
        if fault()[0] == "drip":
            return Drip()
        plain = fault()[0] == "plain"
        return SMTP(Handler(), tls_context=None if plain else tls,
                    require_starttls=not plain, auth_required=not plain,
                    auth_require_tls=not plain, authenticator=authenticate,
                    hostname="localhost", loop=loop)

    await loop.create_server(connection, "127.0.0.1", PORT)
    end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()


os.umask(0o022)
asyncio.run(main())

"""The tests' software of a town: hookd.py PORT DIR

It takes webhooks over TLS (DIR/cert.pem, DIR/cert.key) and verifies them itself,
with the secrets in DIR/secrets, one a line, as Standard Webhooks says.
DIR/received has a line of JSON for each request: what came, which of the
secrets it is signed with, and what was answered.  DIR/fault makes it
misbehave: see Portal::Hook.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import ssl
import sys
import time

PORT, DIR = int(sys.argv[1]), sys.argv[2]


def fault():
    """A fault with a number ends after so many requests."""
    try:
        kind, arg = (open(f"{DIR}/fault").read().split() + [""])[:2]
    except FileNotFoundError:
        return "", ""
    if arg.isdigit():
        if int(arg) <= 1:
            os.unlink(f"{DIR}/fault")
        else:
            with open(f"{DIR}/fault.new", "w") as f:
                f.write(f"{kind} {int(arg) - 1}\n")
            os.rename(f"{DIR}/fault.new", f"{DIR}/fault")
    return kind, arg


def signed_by(headers, body):
    """The numbers of the secrets that a signature of the message is of."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
        return []
    text = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    given = headers.get("webhook-signature", "").split(" ")
    found = []
    for n, secret in enumerate(open(f"{DIR}/secrets").read().split()):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = hmac.new(key, text, hashlib.sha256).digest()
        good = "v1," + base64.b64encode(mac).decode()
        if any(hmac.compare_digest(good, one) for one in given):
            found.append(n)
    return found


async def answer(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in
               (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    kind, arg = fault()
    with open(f"{DIR}/received", "a") as f:
        f.write(json.dumps({
            "line": head[0], "headers": headers, "body": body.decode(),
            "signed_by": signed_by(headers, body), "answered": kind or "204",
            "tls": writer.get_extra_info("ssl_object").version(),
            "at": time.time()}) + "\n")
    if kind in ("hang", "drip"):
        # never, or a byte a second of an answer without an end
        if kind == "drip":
            writer.write(b"HTTP/1.1 204 No Content\r\nX-Slow: ")
        while True:
            await asyncio.sleep(1)
            if kind == "drip":
                writer.write(b"x")
    if kind == "hold":
        # until the fault is over
        while os.path.exists(f"{DIR}/fault"):
            await asyncio.sleep(0.05)
        kind = ""
    if kind == "cut":
        writer.transport.abort()
        return
    if kind == "junk":
        writer.write(b"\x16\x03\x01 what is this?\r\n\r\n")
    elif kind == "headers":
        writer.write(b"HTTP/1.1 204 No Content\r\n"
                     + b"X-Long: " + b"a" * 90000 + b"\r\n\r\n")
    elif kind in ("stuck", "short"):
        # 200, and of the rest a part, then nothing more, or the line is cut
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthank")
        await asyncio.sleep(0.5 if kind == "short" else 3600)
        writer.transport.abort()
        return
    elif kind == "long":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            for _ in range(400):
                writer.write(b"a" * 10000)
                await writer.drain()
        except ConnectionError:
            pass
    elif kind == "moved":
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: https://localhost:{PORT}"
                     "/elsewhere\r\nContent-Length: 0\r\n\r\n".encode())
    else:
        writer.write(f"HTTP/1.1 {kind or 204} What\r\nContent-Length: 0\r\n"
                     "Set-Cookie: a=b\r\n\r\n".encode())
    await writer.drain()


async def connection(reader, writer):
    try:
        await answer(reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(f"{DIR}/cert.pem", f"{DIR}/cert.key")
    await asyncio.start_server(connection, ["127.0.0.1", "127.0.0.2"],
                               PORT, ssl=tls)
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()


os.umask(0o022)
asyncio.run(main())

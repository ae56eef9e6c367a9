"""An SMTP server (aiosmtpd) on a free port of 127.0.0.1 that writes down what it gets, until standard input ends.

Arguments: how it speaks (`plain`, `starttls` or `tls`), the certificate, its key, and optionally a login `user:password`
without which no mail is taken. Prints `{"port": n}` first, then one line of JSON a mail.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

speaks, certificate, key, *login = sys.argv[1:]


class Taker:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 <%s> is nobody here" % address
        if address.startswith("later@"):
            return "451 4.2.1 not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode("utf-8"),
            "encrypted": session.ssl is not None,
            "login": session.auth_data.decode() if session.auth_data else None,
        }
        print(json.dumps(mail), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = login and f"{data.login.decode()}:{data.password.decode()}" == login[0]
    return AuthResult(success=bool(good), handled=False, auth_data=data.login)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


def session():
    return SMTP(
        Taker(),
        hostname="localhost",
        tls_context=context if speaks == "starttls" else None,
        authenticator=authenticate if login else None,
        auth_required=bool(login),
        auth_require_tls=speaks == "starttls",
    )


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if speaks == "tls" else None)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    # Whoever started this holds the other end of it open.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())

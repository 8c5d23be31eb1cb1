"""Real servers on this machine, for mail and for webhooks, and an environment whose notices go there."""

from __future__ import annotations

import contextlib
import datetime as dt
import email
import email.policy
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bascule.ledger import Desk, Ledger
from bascule.workorders import Answer, Result, WorkOrder
from config.settings import Settings
from tests.integration.ledger.conftest import ledger, ledger_url

__all__ = ["ledger", "ledger_url"]  # on SQLite, and on PostgreSQL where there is one

PASSWORD = "s3cret%41/@+"  # what URLs and SMTP might trip over
Clock = Callable[[], dt.datetime]


@dataclass
class MailServer:
    """`refuses`: addresses that it does not know."""

    messages: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    port: int = 0

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:  # noqa: N802
        if address in self.refuses:
            return f"550 5.1.1 <{address}>: unknown"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.messages.append((envelope.rcpt_tos, email.message_from_bytes(content, policy=email.policy.default)))
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for addresses, message in self.messages if address in addresses]


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    with serving(server):
        yield server


@pytest.fixture
def guarded_mail(tmp_path: Path) -> Iterator[MailServer]:
    """STARTTLS with a certificate that nobody vouches for, and a password."""

    def knows(_: SMTP, __: Session, ___: Any, mechanism: str, who: Any) -> AuthResult:
        assert isinstance(who, LoginPassword)
        return AuthResult(success=(who.login, who.password) == (b"bascule", PASSWORD.encode()), handled=False)

    server = MailServer()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_self_made(tmp_path / "certificate.pem"))
    with serving(server, tls_context=context, authenticator=knows, require_starttls=True, auth_required=True):
        yield server


@contextlib.contextmanager
def serving(server: MailServer, **options: Any) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        server.port = free.getsockname()[1]
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **options)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@dataclass
class Webhook:
    url: str
    heard: list[dict[str, Any]] = field(default_factory=list)
    answers: int = 200


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.answers == 200:
                hook.heard.append(json.loads(body))
            self.send_response(hook.answers)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Webhook(f"json://127.0.0.1:{server.server_port}/hook/TOKEN-4f6c1d")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield hook
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(tmp_path: Path, mail: MailServer) -> Settings:
    """Anne has an address, the team has one, Paul has none."""
    return settings_for(tmp_path, mail.port)


def settings_for(folder: Path, port: int, **notices: Any) -> Settings:
    told: dict[str, Any] = {
        "enabled": True,
        "smtp": {"host": "127.0.0.1", "port": port, "security": "none", "sender": "bascule@example.com"},
        "addresses": {"anne": "anne@example.com"},
        "team": ["ops@example.com"],
    }
    return Settings.model_validate(
        {
            "environment": "production",
            "ledger_url": f"sqlite:///{folder / 'ledger.db'}",
            "operators": ["anne", "paul"],
            "notices": told | notices,
        }
    )


NOON = dt.datetime(2026, 12, 1, 11, 0, tzinfo=dt.UTC)


async def opened(settings: Settings, *cabinets: str, at: dt.datetime = NOON, **changes: Any) -> None:
    """Work orders of these cabinets."""
    assert settings.ledger_url
    with Ledger(settings.ledger_url) as ledger:
        for cabinet in cabinets:
            order = WorkOrder(
                id="",
                cabinet=cabinet,
                wave="pilot",
                key=f"key of {cabinet}",
                verbs=("connect", "defaults"),
                opened_at=at,
                expires_at=at + dt.timedelta(days=14),
                owner="anne",
                minutes=20,
                values={"admin_email": "dupont@cabinet-dupont.fr"},
            )
            for name, value in changes.items():
                object.__setattr__(order, name, value)
            await Desk(ledger, lambda: at).open(order, step="connect", run="R1", who="ops", fence=0)


async def answered(settings: Settings, *orders: str, by: str = "anne", at: dt.datetime = NOON) -> None:
    assert settings.ledger_url
    with Ledger(settings.ledger_url) as ledger:
        await Desk(ledger, lambda: at).answer(
            {order: Answer(by=by, at=at, result=Result.DONE, because="seen") for order in orders}
        )


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Everything that reaches the log of the process, down to the last detail, as Prefect's handlers would see it."""
    lines: list[str] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, root = Keeps(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.setLevel(before)
    root.removeHandler(handler)


def _self_made(path: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path

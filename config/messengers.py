"""How notices leave: by mail and webhook, through Apprise. Who is called what, and which address or secret is behind the name."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bascule.ledger import Desk, EntryKind, Ledger
from bascule.notices import (
    LATEST_NEWS,
    Due,
    EndedRun,
    Hearers,
    KeptOut,
    Message,
    NotDelivered,
    Notice,
    Outbox,
    Posted,
    QuietHours,
    due,
    worded,
)
from bascule.reports import DoesNotAddUp, NoSuchWave, status_of
from bascule.reports.status import needing_somebody
from config.settings import LOOPBACK, NoticesSettings, Settings, SmtpSettings
from config.wiring import NotConfigured, now, open_ledger, reach_secrets, secret_behind

log = logging.getLogger("bascule.notices")

TEAM = "@team"
"""How the team's address is called; numbered where there are several."""

SECONDS = 60.0
"""Until a message is given up for this look. Servers are given up by Apprise before, each connection after `PATIENCE`."""
PATIENCE = 15.0

APPRISE_MODES = {"starttls": "starttls", "tls": "ssl", "none": "insecure"}


async def send_what_is_due(settings: Settings, clock: Callable[[], datetime] = now) -> tuple[Posted, ...]:
    """One look. Nothing where notices are off. What could not be sent is in the answer, and tried again at the next look."""
    if not settings.notices.enabled:
        return ()
    reach_secrets(settings)
    with open_ledger(settings) as ledger:
        return await Outbox(ledger, clock).post(_due(settings, ledger, clock), lambda n: _send(settings.notices, n))


def what_is_due(settings: Settings, clock: Callable[[], datetime] = now) -> tuple[Notice, ...]:
    """What the next look would send; nothing is sent or written."""
    if not settings.notices.enabled:
        return ()
    with open_ledger(settings, read_only=True) as ledger:
        return tuple(Outbox(ledger, clock).waiting(_due(settings, ledger, clock)))


def in_words(notices: NoticesSettings, notice: Notice) -> Message:
    return worded(notice, language=notices.language, zone=ZoneInfo(notices.timezone))


def hearers_of(notices: NoticesSettings) -> Hearers:
    mailed = tuple(_mailboxes(notices)) if notices.team else tuple(notices.addresses)
    return Hearers(tuple(notices.addresses), (*mailed, *notices.webhooks))


def _due(settings: Settings, ledger: Ledger, clock: Callable[[], datetime]) -> Due:
    """With the orders, lock-outs and runs as they stand now; asked more than once, it judges them by what was told in between."""
    notices, quiet = settings.notices, settings.notices.quiet
    zone = ZoneInfo(notices.timezone)
    hours = QuietHours(zone, quiet.from_, quiet.to, frozenset(quiet.days)) if quiet else QuietHours(zone)
    orders = Desk(ledger, clock).open_ones()
    kept_out = tuple(_kept_out(ledger, clock()))
    runs = tuple(_ended_runs(ledger, since=clock() - LATEST_NEWS))
    after = timedelta(hours=notices.remind_after_hours)
    hearers = hearers_of(notices)
    return lambda told, at: due(orders, kept_out, runs, told, hearers, now=at, quiet=hours, remind_after=after)


def _kept_out(ledger: Ledger, now: datetime) -> Iterator[KeptOut]:
    """Held by a run, and owed: one that died may have held what it never locked out."""
    held = ledger.lock_outs(now)
    owing = ledger.owing_a_reopen() if held else ()
    planned = ledger.histories([out.cabinet for out in held], [EntryKind.PLANNED])
    for out in held:
        if out.cabinet in owing:
            last = next(reversed(planned[out.cabinet]), None)
            yield KeptOut(
                cabinet=out.cabinet,
                wave=last.wave if last is not None else "",
                owner=last.evidence.get("owner") if last is not None else None,
                since=out.since,
                deadline=out.deadline,
            )


def _ended_runs(ledger: Ledger, since: datetime) -> Iterator[EndedRun]:
    """The last of each wave."""
    last = {entry.wave: entry for entry in ledger.of_kinds([EntryKind.RUN_ENDED])}
    recent = {wave: entry for wave, entry in last.items() if entry.at >= since}
    for wave, entry in recent.items():
        began = [one for one in ledger.of_wave(wave, [EntryKind.RUN_BEGAN]) if one.run == entry.run]
        try:
            status = status_of(ledger, wave)
        except (DoesNotAddUp, NoSuchWave) as wrong:
            # Nothing is told of it rather than something wrong; alarms do not wait for it.
            log.warning("%s", wrong)
            continue
        yield EndedRun(
            wave=wave,
            run=entry.run,
            at=entry.at,
            whole=any(one.evidence.get("selected") == "all" for one in began),
            outcomes=status.outcomes,
            needing=tuple((cabinet.code, cabinet.outcome, cabinet.step or "") for cabinet in needing_somebody(status)),
        )


# Sending


@dataclass(frozen=True, slots=True)
class _Route:
    """`secrets`: what no log and no ledger may hold, should a server repeat it."""

    plugin: Any
    secrets: tuple[str, ...]
    at: str
    """Where it leads to, as far as that may be told."""


async def _send(notices: NoticesSettings, notice: Notice) -> None:
    """Raises NotDelivered. The thread of a message that was given up ends by itself, and may yet have sent it."""
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.to_thread(_send_now, notices, notice)
    except TimeoutError:
        raise NotDelivered(f"no answer within {SECONDS:.0f} s") from None
    except NotConfigured as wrong:
        raise NotDelivered(f"{wrong}; {wrong.remedy}") from wrong


def _send_now(notices: NoticesSettings, notice: Notice) -> None:
    from apprise import Apprise, NotifyFormat

    route = _route(notices, notice.to)
    message = in_words(notices, notice)
    with _overheard() as log:
        sent = Apprise(route.plugin).notify(body=message.text, title=message.subject, body_format=NotifyFormat.TEXT)
        said = log.getvalue()
    if not sent:
        raise NotDelivered(f"{route.at} did not take the message ({_cause(said, route.secrets)})")


def _route(notices: NoticesSettings, to: str) -> _Route:
    addresses = {**notices.addresses, **_mailboxes(notices)}
    return _mail(notices.smtp, addresses[to]) if to in addresses else _webhook(to)


def _mailboxes(notices: NoticesSettings) -> dict[str, str]:
    if len(notices.team) == 1:
        return {TEAM: notices.team[0]}
    return {f"{TEAM}/{number}": address for number, address in enumerate(notices.team, start=1)}


def _mail(smtp: SmtpSettings, address: str) -> _Route:
    password = secret_behind(smtp.password) if smtp.password else None
    if password and not password.isascii():
        raise NotConfigured(
            f"The secret {smtp.password} holds characters beyond ASCII, which Python sends to no mail server",
            remedy="choose another password for notices",
        )
    plugin = _plugin(
        {
            "schema": "mailto" if smtp.security == "none" else "mailtos",
            "host": smtp.host,
            "smtp_host": smtp.host,
            "port": smtp.port,
            # Apprise unquotes these two, as if they came out of a URL.
            "user": _quoted(smtp.user),
            "password": _quoted(password),
            "secure_mode": APPRISE_MODES[smtp.security],
            "from_addr": f"Bascule <{smtp.sender}>",
            "targets": [address],
            "format": "text",
        }
    )
    if plugin is None:
        raise NotConfigured("The mail server's settings are not right", remedy="see notices.smtp in docs/settings.md")
    return _Route(plugin, (password or "",), f"the mail server {smtp.host}")


def _webhook(reference: str) -> _Route:
    url = secret_behind(reference)
    plugin = _plugin(url)
    if plugin is None:
        raise NotConfigured(
            f"The secret {reference} holds no address that Apprise knows",
            remedy="take Teams' or Slack's own, or an Apprise URL such as jsons://host/path (https://appriseit.com)",
        )
    plain = plugin.schema in _words(plugin.protocol) and not plugin.secure
    if plain and plugin.host not in LOOPBACK:
        raise NotConfigured(
            f"The secret {reference} holds an address without TLS, on another machine",
            remedy=f"take one of {', '.join(_words(plugin.secure_protocol)) or 'those with TLS'}",
        )
    if not plugin.verify_certificate:
        raise NotConfigured(
            f"The secret {reference} holds an address that switches certificates off", remedy="take verify=no out of it"
        )
    return _Route(plugin, (url, *(part for part in re.split(r"[/?&=@:]", url) if len(part) > 7)), plugin.service_name)


def _plugin(what: str | dict[str, Any]) -> Any:
    """An Apprise plugin, or None."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="Bascule", app_desc="Bascule", app_url="", http_redirects=False, secure_logging=True)
    if isinstance(what, dict):
        what |= {"cto": PATIENCE, "rto": PATIENCE}
    with _overheard():
        return Apprise.instantiate(what, asset=asset)


def _overheard() -> AbstractContextManager[io.StringIO]:
    """What Apprise logs meanwhile. Its debug log alone tells why something failed; it also tells secrets, so it reaches nobody but us."""
    from apprise import LogCapture

    logging.getLogger("apprise").propagate = False
    # What it calls webhooks with writes each address, too.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    capture: Any = LogCapture
    overheard: AbstractContextManager[io.StringIO] = capture(level=logging.DEBUG, fmt="%(message)s")
    return overheard


def _cause(said: str, secrets: tuple[str, ...]) -> str:
    """Of what Apprise logged, what a person can act on."""
    told = [line.removeprefix("Socket Exception: ") for line in said.splitlines() if line.startswith("Socket Exc")]
    if not told:
        told = [line for line in said.splitlines() if "error" in line.casefold() or "failed" in line.casefold()]
    # What stands before is the address that was called.
    cause = told[-1].rpartition("Caused by ")[2] if told else "no reason given"
    for secret in filter(None, secrets):
        cause = cause.replace(secret, "***")
    return re.sub(r"[^\s<>\"':]+@[^\s<>\"':]+", "…@…", cause)[:300]


def _quoted(text: str | None) -> str | None:
    from urllib.parse import quote

    return quote(text, safe="") if text else None


def _words(protocol: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (protocol,) if isinstance(protocol, str) else tuple(protocol or ())

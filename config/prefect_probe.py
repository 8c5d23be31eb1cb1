"""Asks a Prefect server who it is: not only whether something answers, and never for longer than it may take."""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64encode
from importlib.metadata import version
from urllib.parse import urlsplit

import certifi
import httpx

from config.prefect_environment import LOOPBACK

WITHIN = 10.0
"""Seconds for the whole answer, however slowly it drips."""

LONGEST = 1024
"""Bytes of an answer that are read: a version is told in ten."""


def problem_with(url: str, secret: str | None, *, trusted: str | None = None, within: float = WITHIN) -> str:
    """Why the Prefect API at this address cannot be used, in words; empty when it can.

    `trusted`: a file of certificates; None: those that everybody trusts.
    """
    try:
        status, body = _asked(f"{url.rstrip('/')}/admin/version", secret, trusted, within)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as lost:
        return f"does not answer: {str(lost) or type(lost).__name__}"
    if status in (401, 403):
        return "does not let us in: " + ("the secret is another one" if secret else "it asks for a secret")
    if status != httpx.codes.OK:
        return f"answers {status}, which is not Prefect's API"
    try:
        theirs = json.loads(body)
        release = tuple(int(part) for part in theirs.split(".")[:2])
    except (ValueError, AttributeError):
        return "answers, but not as Prefect does"
    ours = version("prefect")
    wanted = tuple(int(part) for part in ours.split(".")[:2])
    if len(release) != 2 or release[0] != wanted[0] or release < wanted:
        return f"is Prefect {theirs}, and this is Prefect {ours}"
    return ""


def _asked(url: str, secret: str | None, trusted: str | None, within: float) -> tuple[int, bytes]:
    until = time.monotonic() + within
    sign_in = {}
    if secret:
        is_key = ":" not in secret
        sign_in = {"Authorization": f"Bearer {secret}" if is_key else f"Basic {b64encode(secret.encode()).decode()}"}
    is_here = urlsplit(url).hostname in LOOPBACK
    certificates = ssl.create_default_context(cafile=trusted or certifi.where())
    body = b""
    with (
        httpx.Client(trust_env=not is_here, verify=certificates, timeout=within, headers=sign_in) as client,
        client.stream("GET", url) as answer,
    ):
        for part in answer.iter_raw(LONGEST):
            body += part
            if len(body) > LONGEST:
                break
            if time.monotonic() > until:
                raise httpx.ReadTimeout("its answer takes too long")
        return answer.status_code, body

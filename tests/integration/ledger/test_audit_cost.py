"""An audit is no reason not to look: a hundred thousand entries in ten seconds, at the most."""

from __future__ import annotations

import time

from sqlalchemy import Engine, insert

from bascule.ledger import Ledger, tables
from bascule.ledger.audit import audit
from bascule.ledger.rows import row_of
from bascule.model import State
from tests.unit.ledger.lines import chain, line

SHOWN = {"timeout": 10, "payload": {"name": "Cabinet Œuvrard", "siren": "400000014", "siret": None}}
"""As much as an entry's evidence holds on the way."""

CHAINS, ENTRIES = 400, 50
SECONDS = 10 * CHAINS * ENTRIES / 100_000


def test_a_hundred_thousand_entries_would_be_verified_within_ten_seconds(ledger: Ledger, database: Engine) -> None:
    with database.begin() as connection:
        for number in range(CHAINS):
            blank = line(f"C{number:04}", step="connect", state=State.DONE, verb="connect", evidence=SHOWN)
            connection.execute(insert(tables.entry), [row_of(entry) for entry in chain(*[blank] * ENTRIES)])

    began = time.process_time()
    audited = audit(ledger.url)
    took = time.process_time() - began

    assert (audited.chains, audited.entries, audited.flaws) == (CHAINS, CHAINS * ENTRIES, ())
    # Of this process: what others do on the machine meanwhile is not what an audit costs.
    assert took < SECONDS

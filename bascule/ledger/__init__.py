"""What was done, to whom, when and with what outcome. Append-only; the only room that knows SQL."""

from bascule.ledger.entries import SAID_OF_ORDERS, Entry, EntryKind, first_broken, going_on
from bascule.ledger.findings import standing_findings
from bascule.ledger.leases import HEARTBEAT_SECONDS, LEASE_SECONDS
from bascule.ledger.ledger import Ledger, StoredInventory
from bascule.ledger.lock_outs import LockOut
from bascule.ledger.orders import KINDS as ORDER_KINDS
from bascule.ledger.orders import Desk, NotAccepted, orders_of
from bascule.ledger.owners import Owner, is_provably_dead, this_process

__all__ = [
    "HEARTBEAT_SECONDS",
    "LEASE_SECONDS",
    "ORDER_KINDS",
    "SAID_OF_ORDERS",
    "Desk",
    "Entry",
    "EntryKind",
    "Ledger",
    "LockOut",
    "NotAccepted",
    "Owner",
    "StoredInventory",
    "first_broken",
    "going_on",
    "is_provably_dead",
    "orders_of",
    "standing_findings",
    "this_process",
]

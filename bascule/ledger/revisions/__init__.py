"""Schema changes of the ledger, in order (Alembic)."""

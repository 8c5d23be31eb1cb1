"""Alembic's entry: revises the database it is handed a connection to. Never run by hand; see `bascule ledger upgrade`."""

from alembic import context

from bascule.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()

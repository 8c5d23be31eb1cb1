"""A lock-out has a lease and a deadline of its own, and an order's lines are found by its number.

PostgreSQL minds the length of a text as little as SQLite does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BOUNDED = {
    "entry": "cabinet previous hash kind who wave run step state lifecycle outcome error_class verb key operation",
    "evidence": "hash cabinet what",
    "inventory": "digest who",
    "lease": "cabinet owner host boot",
}


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "lock_out",
        sa.Column("cabinet", sa.String(), primary_key=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("boot", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.BigInteger(), nullable=False),
        sa.Column("since", instant, nullable=False),
        sa.Column("deadline", instant, nullable=False),
        sa.Column("heartbeat_at", instant, nullable=False),
        sa.Column("expires_at", instant, nullable=False),
    )
    # For a few hours revision 0002 made it too.
    op.create_index("entry_by_operation", "entry", ["operation"], if_not_exists=True)
    if op.get_bind().dialect.name == "postgresql":
        # Takes a moment whatever the size: a bound that is lifted rewrites no row.
        for table, columns in BOUNDED.items():
            op.execute(
                f"ALTER TABLE {table} " + ", ".join(f"ALTER COLUMN {column} TYPE varchar" for column in columns.split())
            )

"""Entries, evidence, inventories and leases; what is written is made unchangeable by the database itself."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

APPEND_ONLY = ("entry", "inventory")


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "entry",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("cabinet", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("wave", sa.String(200), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("step", sa.String(32)),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifecycle", sa.String(16)),
        sa.Column("outcome", sa.String(32)),
        sa.Column("error_class", sa.String(16)),
        sa.Column("error_signature", sa.Text()),
        sa.Column("verb", sa.String(32)),
        sa.Column("key", sa.String(64)),
        sa.Column("operation", sa.String(200)),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.UniqueConstraint("cabinet", "seq", name="entry_has_one_place"),
    )
    op.create_index("entry_by_wave_and_kind", "entry", ["wave", "kind"])
    op.create_index("entry_by_run", "entry", ["run"])
    op.create_table(
        "evidence",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("cabinet", sa.String(64), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "inventory",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
    )
    op.create_table(
        "lease",
        sa.Column("cabinet", sa.String(64), primary_key=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("boot", sa.String(64), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", instant, nullable=False),
        sa.Column("expires_at", instant, nullable=False),
    )
    forbid = _forbid_on_postgresql if op.get_bind().dialect.name == "postgresql" else _forbid_on_sqlite
    for table in APPEND_ONLY:
        forbid(table)


def _forbid_on_sqlite(table: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END"
        )


def _forbid_on_postgresql(table: str) -> None:
    op.execute(
        f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'rows of {table} are never changed'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only()"
    )

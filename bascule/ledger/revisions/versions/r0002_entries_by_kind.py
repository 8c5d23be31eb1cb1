"""Work orders are entries: what waits for people is found by kind, whatever the wave."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("entry_by_kind", "entry", ["kind"])

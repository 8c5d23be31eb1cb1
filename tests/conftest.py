"""What every test may ask for."""

from tests.databases import postgresql_room, postgresql_server, postgresql_url

__all__ = ["postgresql_room", "postgresql_server", "postgresql_url"]

"""What every test may ask for."""

from tests.databases import postgresql_server, postgresql_url

__all__ = ["postgresql_server", "postgresql_url"]

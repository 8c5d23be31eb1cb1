"""A system behind an agent that speaks our contract over HTTP."""

from bascule.connectors.http.remote import HttpRemote, Timeouts

__all__ = ["HttpRemote", "Timeouts"]

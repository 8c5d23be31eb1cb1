"""Prefect's server on a socket that it is handed: `python -m config.prefect_process FD`.

`prefect server start` binds its port itself, seconds after it was chosen: who is faster would be told the secret of this home.
"""

from __future__ import annotations

import os
import socket
import sys


def main() -> None:
    os.umask(0o077)
    listening = socket.socket(fileno=int(sys.argv[1]))
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    server = get_current_settings().server
    uvicorn.Server(
        uvicorn.Config(
            create_app(final=True),
            timeout_keep_alive=server.api.keepalive_timeout,
            ws_ping_interval=server.api.websocket_ping_interval,
            ws_ping_timeout=server.api.websocket_ping_timeout,
            log_level=server.logging_level.lower(),
        )
    ).run(sockets=[listening])


if __name__ == "__main__":
    main()

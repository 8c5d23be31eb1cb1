"""`python -m agent [INVENTORY]`: serves its cabinets under /my-sage, /ge and /s4a, until it is stopped."""

import csv
import os
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path

import uvicorn

from .app import create_app
from .sage import Sage


def read_rows(path: Path) -> list[dict[str, str]]:
    """Columns as in Bascule's inventory: code, name, siren, entity, admin_email, default_profile, default_group."""
    text = path.read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines(), delimiter=";" if ";" in text.splitlines()[0] else ","))


if __name__ == "__main__":
    parser = ArgumentParser(prog="agent", description=__doc__)
    parser.add_argument("inventory", nargs="?", type=Path, default=Path(__file__).with_name("cabinets.csv"))
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--takes", type=float, default=2, help="seconds that a synchronisation takes")
    asked = parser.parse_args()
    sage = Sage(read_rows(asked.inventory), takes=timedelta(seconds=asked.takes))
    # On this machine only. Where others reach it, TLS ends before it, and AGENT_SECRET is what a client must know.
    uvicorn.run(create_app(sage, secret=os.environ.get("AGENT_SECRET")), port=asked.port)

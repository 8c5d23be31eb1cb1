"""A look by another process: `python -m tests.integration.notices.another_look SETTINGS`."""

from __future__ import annotations

import asyncio
import sys

from config.messengers import send_what_is_due
from config.settings import Settings
from tests.integration.notices.conftest import NOON

if __name__ == "__main__":
    asyncio.run(send_what_is_due(Settings.model_validate_json(sys.argv[1]), lambda: NOON))

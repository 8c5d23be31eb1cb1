"""What ops review, all of it from the ledger: where a wave stands, and the files of its run folder."""

from bascule.reports.publishing import Published, publish, read_failed
from bascule.reports.status import CabinetStatus, DoesNotAddUp, NoSuchWave, WaveStatus, status_of, wave_table

__all__ = [
    "CabinetStatus",
    "DoesNotAddUp",
    "NoSuchWave",
    "Published",
    "WaveStatus",
    "publish",
    "read_failed",
    "status_of",
    "wave_table",
]

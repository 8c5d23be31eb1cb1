"""What ops review, all of it from the ledger: where a wave stands, and the files of its run folder.

Only what `bascule status` needs is imported here: `publishing` brings pandas.
"""

from bascule.reports.status import CabinetStatus, DoesNotAddUp, NoSuchWave, WaveStatus, status_of, wave_table

__all__ = [
    "CabinetStatus",
    "DoesNotAddUp",
    "NoSuchWave",
    "WaveStatus",
    "status_of",
    "wave_table",
]

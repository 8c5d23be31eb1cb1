"""Carries the procedure out: observe, decide, intend, act, observe, record. Has never heard of Prefect."""

from bascule.engine.cabinet import CabinetRun
from bascule.engine.conduct import Conducted, conduct
from bascule.engine.decisions import RetryPolicy, Standing
from bascule.engine.run import Pace, Run
from bascule.engine.walk import Perform, migrate, perform, walk

__all__ = [
    "CabinetRun",
    "Conducted",
    "Pace",
    "Perform",
    "RetryPolicy",
    "Run",
    "Standing",
    "conduct",
    "migrate",
    "perform",
    "walk",
]

"""What every task of ours says itself, so that no variable of the environment it runs in says otherwise."""

from __future__ import annotations

from typing import TypedDict

from prefect.cache_policies import NO_CACHE, CachePolicy


class Once(TypedDict):
    retries: int
    retry_delay_seconds: float
    persist_result: bool
    cache_policy: CachePolicy


ONCE = Once(retries=0, retry_delay_seconds=0, persist_result=False, cache_policy=NO_CACHE)
"""Run once, kept nowhere: what was done is in the ledger, and how often it is tried is the engine's to say."""

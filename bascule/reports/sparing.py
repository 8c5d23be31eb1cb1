"""Which differences are told where there are many: who has any, and of too many some of each list before more of any."""

from __future__ import annotations

import pandas as pd

from bascule.checks.reconciliation import KINDS

A_LIST = ["code", "what", "kind"]
"""What one cabinet has of one kind of thing and one kind of difference."""


def differing(reconciled: pd.DataFrame) -> pd.DataFrame:
    """The cabinets whose last comparison found the two sides not the same.

    Columns: code, KINDS (how many), live (of lists that were read after the move: it is drift), at.
    """
    by_code = reconciled.groupby("code")
    told = by_code[list(KINDS)].sum().join(by_code[["live", "at"]].first().astype({"live": "bool"}))
    return told[told[list(KINDS)].sum(axis=1) > 0].reset_index()


def some_of_each(differences: pd.DataFrame, most: float, weight: pd.Series | None = None) -> pd.DataFrame:
    """Those that fit into `most`: of each list the first, then of each the second, and so on; in the order they had.

    `differences`: A_LIST and more. `weight`: what each takes, 1 where nothing is said.
    """
    weight = pd.Series(1, index=differences.index) if weight is None else weight
    in_turn = differences.groupby(A_LIST, sort=False).cumcount().sort_values(kind="stable").index
    fit = in_turn[weight.loc[in_turn].cumsum() <= most]
    return differences.loc[fit.sort_values()]

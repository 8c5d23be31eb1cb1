"""My Sage, GE and S4A, emulated over HTTP, with the rules of the fiche and named faults. Stands alone: what it shares
with Bascule is the contract, nothing else. `docs/sandbox.md` tells how to use it.
"""

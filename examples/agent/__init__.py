"""An agent to begin from: Bascule's contract, version 2, for My Sage, GE and S4A. Only `sage.py` knows how Sage is reached."""

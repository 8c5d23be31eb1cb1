"""My Sage, GE and S4A emulated over HTTP: a program of its own that shares only the contract with Bascule."""

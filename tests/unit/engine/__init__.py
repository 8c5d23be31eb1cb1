"""What the engine decides from the ledger alone."""

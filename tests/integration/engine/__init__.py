"""The engine before the sandbox, in process, and the ledger it writes."""

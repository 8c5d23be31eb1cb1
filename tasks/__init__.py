"""Prefect, inner half: what is retried, timed and logged. One statement a task."""

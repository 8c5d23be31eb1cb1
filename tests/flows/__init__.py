"""Flows on a real Prefect server: the only tests that pay for Prefect."""

"""Prefect, outer half: who, in which order, how many at once."""

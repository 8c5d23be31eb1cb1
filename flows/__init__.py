"""Prefect, outer half: who, in which order, how many at once."""

from config.cockpit import tell_prefect

# A worker has imported Prefect long before it imports a flow: without this the core's INFO lines are lost there.
tell_prefect()

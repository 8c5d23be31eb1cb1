"""What a wave costs, beside what others cost."""

from config.cockpit import tell_prefect

# Before Prefect is imported, as in flows.
tell_prefect()

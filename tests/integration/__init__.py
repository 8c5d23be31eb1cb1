"""Several rooms together, without Prefect."""

"""Random kills and stalls of everything that takes part in a wave, and what must hold when calm has returned. `make chaos` runs it."""

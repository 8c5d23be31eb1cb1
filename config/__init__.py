"""Settings read and checked once, and the only place that picks an implementation."""

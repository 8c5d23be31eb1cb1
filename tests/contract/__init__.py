"""The same promises, on every implementation."""

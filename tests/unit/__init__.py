"""One room at a time, in seconds."""

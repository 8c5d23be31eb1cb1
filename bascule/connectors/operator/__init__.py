"""People as a connector: asked by a work order, answering with evidence. A person who is awaited holds nothing."""

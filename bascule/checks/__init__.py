"""The catalogue of rules over what the systems hold. Pure functions of facts: nothing here reads, waits or writes."""

"""Who is moved when: the choice of a wave and its cabinets, and what governs it while it runs. Pure decisions over facts."""

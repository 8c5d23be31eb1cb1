"""Who is moved when: choosing a wave and its cabinets. Pure decisions; what governs a wave while it runs joins here later."""

"""How durations, counts and settings are written wherever they are shown."""

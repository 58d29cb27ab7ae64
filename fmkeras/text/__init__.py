"""How durations and settings are written wherever they are shown."""

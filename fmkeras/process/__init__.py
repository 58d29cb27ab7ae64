"""This process, the signals that end it, and those that train beside it."""

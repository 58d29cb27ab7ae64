"""Trained models in other formats, each checked by its own runtime."""

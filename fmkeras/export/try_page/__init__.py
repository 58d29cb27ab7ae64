"""A page that runs a model in the browser, opened from the disk."""

"""Data sets of your own: folders of pictures, IDX, NPZ and CSV files."""

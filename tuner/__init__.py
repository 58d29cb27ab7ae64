"""KerasTuner over fmkeras's recipes: `make tune`."""

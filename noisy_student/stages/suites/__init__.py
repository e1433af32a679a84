"""The suites of `--mode=robustness`, one file each."""

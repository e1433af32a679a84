"""What `--mode=robustness` measures, one file for each of its suites."""

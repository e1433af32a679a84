"""The parts of `tools/study.py`: runs, their figures, and the chart."""

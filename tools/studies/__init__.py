"""The parts of `tools/study.py`.

arms.py reads the flag files, runs.py says where each run has its files,
processes.py runs main.py, outcomes.py and machine.py say what came out and
where, results.py keeps it in a file, and figures.py, tables.py and chart.py
show it.
"""

"""The parts of `tools/study.py`.

arms.py reads the flag files, plans.py says what is run, runs.py where it leaves
what, processes.py runs main.py, outcomes.py and machine.py say what came out
and where, results.py keeps it in a file, and figures.py, tables.py and chart.py
show it. locks.py keeps calls apart, and written.py says what is
wrong with a file.
"""

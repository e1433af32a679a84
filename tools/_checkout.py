"""Puts the checkout on Python's path; the scripts beside it import it first.

Python puts only the script's own directory there.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

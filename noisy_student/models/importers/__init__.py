"""Weights from elsewhere: the original's checkpoints, keras.applications.

Weights travel as arrays under the names that the original gives them.
"""

"""Weights from elsewhere: the original, keras.applications, PyTorch.

Weights travel as arrays under the names that the original gives them.
"""

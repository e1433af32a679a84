"""Disturbed images in NumPy: corruptions, and sequences of perturbed frames.

Processes that make them import nothing of TensorFlow, so that they start soon
and stay small.
"""

"""Optimisation of one model: schedule, average, step, loop."""

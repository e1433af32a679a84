"""Noisy Student Training (arXiv 1911.04252) in Keras 3 on TensorFlow."""

"""EfficientNet: scaling table, layers and the network."""

"""Files of a run: where they are, atomic writing, and what made them."""

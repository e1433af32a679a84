"""Scripts over the library."""

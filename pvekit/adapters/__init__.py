"""The doors to the world: foreign errors become ours here."""

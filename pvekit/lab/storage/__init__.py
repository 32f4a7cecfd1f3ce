"""Directory storages and what lies in them."""

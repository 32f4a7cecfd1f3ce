"""The root step: the few things on a node that no API token may do, each opt-in, planned, and undone by ``down``."""

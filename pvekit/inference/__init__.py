"""Language models on a machine: what they need, what it will do, what it did, and why."""

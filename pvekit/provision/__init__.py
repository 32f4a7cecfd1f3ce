"""Node facts, desired state, diff, apply, readiness."""

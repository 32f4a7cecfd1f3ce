"""GPU passthrough: evidence to facts, facts to findings, findings to the one root cause, and the repair."""

"""One plot per file: machines in, a Figure out, or None where there is nothing to draw."""

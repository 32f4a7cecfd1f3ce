"""Virtual machines: their configuration on disk and everything that changes it."""

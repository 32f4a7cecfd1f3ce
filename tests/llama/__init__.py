"""Real llama.cpp on this machine, for tests: the tools of Debian's package, unpacked beside the system."""

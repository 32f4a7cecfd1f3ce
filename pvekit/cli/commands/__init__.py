"""One module per command; each has a click command named ``command``. Being in the folder is the registration."""

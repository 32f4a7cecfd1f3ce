"""One file per kind of VM. Being in the folder is the registration."""

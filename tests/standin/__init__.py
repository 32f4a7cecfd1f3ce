"""A stand-in for Windows Setup and for the Windows it installs: a UEFI CD that tests boot in QEMU.

``build.setup_iso`` makes the CD, ``switches.Switches`` says what shall go wrong on it. What runs inside the guest is
in ``guest/``; the parts of it that do no I/O are tested here on the host as well.
"""

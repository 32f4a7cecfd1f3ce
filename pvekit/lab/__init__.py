"""The embedded node: an HTTPS server on loopback that speaks the PVE API and runs each VM as a QEMU process."""

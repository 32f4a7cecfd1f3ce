"""pvekit: one YAML file becomes running, verified VMs on Proxmox VE."""

__version__ = "0.1.0"

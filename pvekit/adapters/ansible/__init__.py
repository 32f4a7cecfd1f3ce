"""Playbooks, run by ansible-runner: one typed function, failures as values, secrets never on a disk or in argv."""

from pvekit.adapters.ansible.result import HostFailure, ProvisionResult
from pvekit.adapters.ansible.run import run

__all__ = ["HostFailure", "ProvisionResult", "run"]

"""Builds the lab's base image from Debian packages: no download of a finished image, no root needed.

``build`` is the only entry; ``python -m pvekit.lab.image`` runs it by hand.
"""

from pvekit.lab.image.build import IMAGE_SUITE, build, cache_directory, find

__all__ = ["IMAGE_SUITE", "build", "cache_directory", "find"]

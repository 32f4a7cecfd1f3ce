"""Builds the lab's base image from Debian packages: no download of a finished image, no root needed.

``build.build`` is the only entry; ``python -m pvekit.lab.image`` runs it by hand.
"""

"""Sorting the files of a bundle: by their names, and by what their lines look like."""

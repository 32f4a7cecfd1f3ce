"""What a NAS does for itself: volumes, people, snapshots, scrubs, warnings. Python's own library only."""

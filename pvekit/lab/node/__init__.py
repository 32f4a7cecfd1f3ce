"""The node itself: status, hardware, network, tasks."""

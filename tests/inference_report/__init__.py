"""Tests of the page that shows results of benchmarks."""

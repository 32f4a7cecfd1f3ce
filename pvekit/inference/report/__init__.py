"""Results of benchmarks as a page: a small view of the records, plots of our own, tables, and their words."""

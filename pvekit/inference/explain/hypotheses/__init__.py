"""One file per hypothesis: its page, its prior weight, and how it judges a case. Being here is the registration."""

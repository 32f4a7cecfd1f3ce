"""Carries a plan out: one module per verb, each a function of the job, the action and the step's context."""

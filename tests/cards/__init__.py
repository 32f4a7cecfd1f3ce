"""Cards of the nodes in a stack: what the file means, the plan, the mappings, and the look into the guest."""

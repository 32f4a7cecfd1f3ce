"""``kind: llama``: its mistakes, what it becomes, and the program that it leaves in the guest."""

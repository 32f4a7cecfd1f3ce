"""Who may do what: users, groups, roles, access lists, tokens and tickets."""

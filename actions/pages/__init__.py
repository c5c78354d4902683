"""The pages of rules: the list, a rule, and the wizard that writes one."""

"""Writing a rule in steps: what was typed, the forms that ask, and the rule that comes of it."""

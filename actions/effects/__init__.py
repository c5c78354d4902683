"""What happens when a rule fires: one file each, named after its `action_type` in lower case."""

"""The conditions: one file each, named after its `trigger_type`."""

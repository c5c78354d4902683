"""The pages that show what somebody has and what their rules did: a page a file."""

"""What every part of the API shares: how it reads, answers, refuses and limits. Knows no rules."""

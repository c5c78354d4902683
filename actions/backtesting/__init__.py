"""Backtests that people ask for: checked, kept, played at once or by the cluster, and told."""

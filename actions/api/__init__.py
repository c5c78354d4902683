"""Rules over HTTP: written, read, tried, executed and explained, through the services."""

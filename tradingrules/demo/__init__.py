"""The demonstration: a portfolio and a handful of rules over the real prices of autumn 2008."""

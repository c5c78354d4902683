"""Telling people: queued in the transaction that gives cause for it, sent from the queue."""

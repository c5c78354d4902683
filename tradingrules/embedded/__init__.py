"""A Django database backend that brings its own PostgreSQL, started when it is first needed.

Used while DATABASE_URL is not set: for development, the demo and the tests. `cluster.py` is the
server and knows nothing of Django; `base.py` is what Django loads.
"""

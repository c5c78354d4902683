"""The machinery of the admin, for those who support people: it knows no rules and no portfolios.

Lists that stay quick however long a table is, searches that ask an index, links, and interventions:
what support may do, each with a reason.
"""

"""Features: cleaning, sales, state at the forecast origin and what is known ahead of it, as Ibis expressions.

The expressions are engine-neutral (DuckDB on one machine, Spark at scale). Feast carries the results to training and
to serving; `features.online` is all that a service imports from here.
"""

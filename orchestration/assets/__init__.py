"""Thin Dagster assets, one module a domain: read, call one function, return with metadata a person can look at."""

"""Contracts of every table, the lake they lie in, and the gate between them.

A table is named by its contract (`contracts/<table>.odcs.yaml`, Open Data Contract Standard). From the contract come
the column types, the rules of the gate, the Great Expectations suites and the pages a steward reads. The lake keeps
immutable Parquet behind atomic manifests; the gate splits a batch into good rows and quarantine and gives the verdict.
"""

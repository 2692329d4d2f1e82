"""Adapters: public data sets as they are downloaded, delivered as the raw tables of the contracts."""

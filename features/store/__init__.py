"""Feast definitions of the store, and nothing else: `feast apply` imports every module it finds beside them."""

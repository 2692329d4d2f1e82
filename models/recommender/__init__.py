"""Which items a customer will take next: candidates from what items have in common, order and friends, then a ranker."""

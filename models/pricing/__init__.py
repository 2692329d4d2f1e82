"""Prices of perishable goods and of limited capacity: learned, bounded, and shown beside the best any policy could do."""

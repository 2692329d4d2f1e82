"""Experiments: assignment, sample-ratio checks, CUPED, always-valid tests, interleaving, bandits, off-policy estimates."""

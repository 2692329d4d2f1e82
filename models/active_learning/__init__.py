"""Which pictures to label next: those a model doubts, and that differ from one another (active learning, an analysis)."""

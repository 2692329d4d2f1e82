"""Which labels of pictures are likely wrong: people's labels held against a model that never saw them (an analysis)."""

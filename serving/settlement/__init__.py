"""From what was taken to a bill that cannot be forged: settlement, the stream it rides on, and its ledger."""

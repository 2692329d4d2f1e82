"""The models: every package has the same six doors (config, data, model, train, evaluate, predict) and knows no other.

What they share lies in `models.common`: the artifact format, metrics, comparison, explanation, guards and reports.
"""

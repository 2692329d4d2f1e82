"""Demand forecaster: global gradient-boosted trees for the mean and three quantiles, direct over 1 to 42 periods."""

"""What every model shares: artifact format, metrics, paired comparison, explanation, circuit breaker, report, protocols."""

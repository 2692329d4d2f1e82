"""What every model shares: artifact format, metrics, comparison, explanation, circuit breaker, report, protocols."""

"""One HTTP client per exchange and one limiter per pool of its limits."""

"""What operators see: metrics, log lines and the status board, all through one recorder."""

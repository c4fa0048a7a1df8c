"""Rankings, thresholds and p-values of rows."""

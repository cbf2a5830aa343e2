"""What users read: predictions, tables, curves, comparisons, residuals, estimates and metrics."""

"""What users look at: predictions, tables, comparisons, estimates, metrics, pruning results."""

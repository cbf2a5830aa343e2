"""What pruning costs and brings."""

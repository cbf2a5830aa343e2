"""What is fast and accurate, measured against peers in one run."""

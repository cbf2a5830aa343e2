"""What several rooms need: the context and its caches, spaces, targets and their states, pages."""

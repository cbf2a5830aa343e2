"""Building blocks that several rooms need: context, caches, targets and their states, pages."""

"""PyTorch, eager and compiled: networks become the modules that a user's model consists of."""

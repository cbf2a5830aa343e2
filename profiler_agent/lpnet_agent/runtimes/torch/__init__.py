"""PyTorch: networks as the modules that a user's model is made of, eager and compiled."""

"""LiteRT, once TensorFlow Lite, and the writing of its files."""

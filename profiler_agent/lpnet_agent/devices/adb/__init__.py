"""Phones over adb: LiteRT's `benchmark_model` is run there, and its figures are read here."""

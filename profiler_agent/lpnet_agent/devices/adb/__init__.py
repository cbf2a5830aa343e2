"""Phones over adb: runs LiteRT's `benchmark_model` on the phone and reads its output here."""

"""Accuracy of measurements on a disturbed machine, compared with the usual methods."""

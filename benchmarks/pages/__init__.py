"""How fast the pages are with many samples in the database."""

"""Housekeeping that no user asks for: expired leases and the deletion of old rows."""

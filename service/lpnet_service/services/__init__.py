"""What the service does, in six rooms: reading > access | upkeep > learning > measuring > shared.

A room imports only rooms to its right.
"""

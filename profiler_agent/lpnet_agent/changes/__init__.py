"""What the agent changes on a device, because its owner asked for it, and puts back.

`journal` and `guardian` import nothing but the standard library: the guardian must start fast,
and work when all else is gone.
"""

"""The training worker: a process that takes runs from the queue."""

"""The processes of `lpnet-service run`: a parent, its API processes and its workers."""

"""Log lines of the agent and of the service: one shape, for people or as JSON, without secrets."""

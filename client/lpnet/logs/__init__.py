"""Log lines of the agent and the service: for people or as JSON, without secrets."""

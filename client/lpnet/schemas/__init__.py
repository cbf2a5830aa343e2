"""The wire contract: what the client, the agent and the service say to each other."""

"""Everything on the way from a campaign to stored samples: spaces, agents, jobs and ingest."""

"""From a campaign to stored samples: agents, jobs under leases, ingest and conditions."""

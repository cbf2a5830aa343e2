"""Which channels of a graph can only be removed together, and which must stay."""

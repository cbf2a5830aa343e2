"""The commands of `lpnet`, one per module. Each imports what it needs when it runs."""

"""What the service does, one file per noun. Functions take the `Context` they work in first."""

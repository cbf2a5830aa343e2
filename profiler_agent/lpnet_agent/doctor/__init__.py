"""The checks of `lpnet-agent doctor`, and the report that it prints."""

"""What `lpnet-agent doctor` looks at, and what it says about a device in plain words."""

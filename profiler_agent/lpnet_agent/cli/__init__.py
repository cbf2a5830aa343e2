"""The commands of `lpnet-agent`, one module each; what they need is imported when they run."""

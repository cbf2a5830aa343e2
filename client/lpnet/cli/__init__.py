"""The commands of `lpnet`, one module each; what they need is imported when they run."""

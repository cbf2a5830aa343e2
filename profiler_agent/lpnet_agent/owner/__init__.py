"""What the owner of a device allows: pauses, quiet hours, and limits."""

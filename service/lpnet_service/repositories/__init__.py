"""Every query of the service, one file per noun; functions work in the caller's transaction."""

"""Commands of the service, one file per noun."""

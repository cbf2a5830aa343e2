"""What the pages ask of the server, with many samples in the database."""

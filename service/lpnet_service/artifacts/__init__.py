"""Where the files of LPNets are kept: in the database, in a folder, or in object storage."""

"""How accurate LPNets are, over many splits of the same samples."""

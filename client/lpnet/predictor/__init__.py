"""LPNets (latency models of targets) and predictors (an LPNet bound to a space). Needs torch."""

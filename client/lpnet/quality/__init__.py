"""Whether a host can be measured, from the samples so far: for services and for agents alone."""

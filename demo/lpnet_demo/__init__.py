"""The whole loop on one machine: a service, an agent, a trained LPNet and a pruned network."""

"""Sentinels: two workloads that never change, by which an agent sees that its device did."""

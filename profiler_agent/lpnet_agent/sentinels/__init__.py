"""Sentinels: two fixed workloads whose latency shows whether the device has changed."""

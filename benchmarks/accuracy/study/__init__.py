"""Every latency predictor on tables of other people's devices, at several numbers of samples."""

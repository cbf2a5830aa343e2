"""How well an LPNet predicts squeeze-excite, concat, split, FFN, attention and their like."""

"""How far measurements can be trusted on a machine that is disturbed, against usual methods."""

"""How many samples an LPNet needs: chosen instead of drawn, and beginning with another target."""

"""Errors of an LPNet where pruners use it: on networks that its own predictions chose."""

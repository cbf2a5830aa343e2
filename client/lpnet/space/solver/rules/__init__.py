"""What each ONNX op ties together. An op without a rule freezes what it touches."""

from lpnet.space.solver.rules.registry import RULES, Rule

__all__ = ["RULES", "Rule"]

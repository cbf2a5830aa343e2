"""A predictor trained on a comb, on one thread."""

from tests.harness.comb_fixtures import one_thread, predictor, space, truth

__all__ = ["one_thread", "predictor", "space", "truth"]

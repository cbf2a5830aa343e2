"""A look at measured workloads before they are learned: what is wrong with them, and which."""

from lpnet_service.training.screening.screen import Screened, screened

__all__ = ["Screened", "screened"]

"""`python -m lpnet_service`."""

from lpnet_service.main import app

app(prog_name="lpnet-service")

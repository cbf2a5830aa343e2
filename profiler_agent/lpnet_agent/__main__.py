"""`python -m lpnet_agent` is `lpnet-agent`."""

from lpnet_agent.main import app

app(prog_name="lpnet-agent")

"""Work of the service in six packages: reading > access | upkeep > learning > measuring > shared.

A package imports only packages to its right. Functions raise NotFound for an unknown id or name,
and BadRequest for a page cursor (`after`) that no page returned.
"""

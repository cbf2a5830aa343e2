"""The pages that people read in a browser.

A page is HTML without data. Its module under `static/js/pages` fills it from the public JSON API,
with the rights of the user who is logged in. Nothing is loaded from other servers.
"""

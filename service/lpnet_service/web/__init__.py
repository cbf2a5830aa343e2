"""The pages that people read in a browser.

A page is a shell of HTML without data; its module under `static/js/pages` fills it from the public
JSON API, with the rights of whoever is logged in. Nothing is fetched from another server.
"""

"""The server side that all pages share: the API's responses and events, with messages rendered as HTML.

    routes.py       GET /conversations/{id} and its events, with HTML
    relay.py        one browser's event stream, with HTML blocks in place of text
    renderings.py   cache of the HTML of whole messages

It reads the API through :mod:`frontends.client` and knows no page framework.
"""

"""What every page needs on the server's side: the API's answers and events with HTML in them.

    routes.py       GET /conversations/{id} and its events, rendered
    relay.py        one browser's event stream: text becomes HTML blocks
    renderings.py   the HTML of whole messages, cached

It speaks to the API through :mod:`frontends.client` and knows no page framework.
"""

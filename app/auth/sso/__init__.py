"""Single sign-on: somebody else says who a person is.

identity.py    what is said of a person, and the account that it becomes
provider.py    an OpenID Connect provider: its addresses, its keys, its tokens
flow.py        signing in there and coming back (authorization code with PKCE)
proxy.py       a reverse proxy that names the person in a header
"""

"""Who somebody is and what they may do: passwords, sessions, API keys, one-time links. Knows nothing of HTTP.

passwords.py          argon2id checksums; which passwords are refused
secret_tokens.py      secrets of sessions, keys and links, and their checksums
attempts.py           how often somebody may guess
authenticator.py      a cookie or a key → a `Principal`
sign_in.py            signing in and out; using a one-time link
own_account.py        what people do with their own account: password, sessions, keys
people.py             what administrators do with the accounts of others
usage.py              replies at once and tokens a day, for each person
request_rate.py       requests a minute, for each person or address
running_requests.py   ends requests whose session or key was revoked
service.py            all of that, for `app.main`
"""

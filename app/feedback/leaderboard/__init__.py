"""Ranks players (a model with its variant and adapter) by people's comparisons of their replies.

:func:`app.feedback.leaderboard.compute.leaderboard` is the way in. It is pure: comparisons in, ratings, verdicts and
findings out. :mod:`~app.feedback.leaderboard.comparison` and :mod:`~app.feedback.leaderboard.result` can be imported
without NumPy, which takes 0.1 s to load; whoever starts the server imports only these two.
"""

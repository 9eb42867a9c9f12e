"""Finds what is wrong with a board, one check per file, and says it in plain words.

A check that depends on chance raises a false alarm with a probability of at most 0.1 % on a board without the defect,
however many players or raters it looks at (Bonferroni's correction), so all of them together in less than 1 % of
boards. What is certain but too small to matter is no finding either: each check has a smallest size.
"""

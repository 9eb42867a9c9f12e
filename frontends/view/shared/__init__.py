"""The page of a shared conversation: read-only, in its reader's language, without any framework or login.

page.py     its addresses
html.py     its HTML
texts.py    its words
download.py the conversation as a file that Parley imports
"""

"""Parley: a self-hosted chat web application that learns from its users."""

__version__ = "0.1.0"

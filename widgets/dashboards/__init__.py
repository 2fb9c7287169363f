"""Composition only: which session, controls, views and renderer make up a page."""

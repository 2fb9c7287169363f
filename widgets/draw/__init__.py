"""The renderers: one widget whose page side is hand-written ES and CSS, kept beside it as static files."""

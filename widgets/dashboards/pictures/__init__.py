"""Pictures of the newest move, one a file: what a page asks for, worked out by the core, written by a view."""

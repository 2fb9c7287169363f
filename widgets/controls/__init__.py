"""Which controls the page has and what a move may say: derived from the methods' own fields, checked in the kernel."""

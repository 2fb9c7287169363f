"""Every figure of one compressed network beside the original's."""

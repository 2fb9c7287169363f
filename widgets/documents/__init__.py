"""What can be taken along: a report as a page and as a PDF, and a page with sliders that needs no kernel."""

"""A network as the workbench sees it: its layers, its shapes, and ways to run it."""

"""The two servers, Voila for the dashboard and JupyterLab for the notebooks, as this project runs them.

Both listen on loopback only, ask nothing of any other host, and end the kernels of closed pages.
"""

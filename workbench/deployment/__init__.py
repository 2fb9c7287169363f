"""What the energy of one inference means where a network is used: battery life and the price of electricity."""

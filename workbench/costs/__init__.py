"""What a compressed network costs: one file per cost, none of which knows another."""

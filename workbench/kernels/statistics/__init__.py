"""What is known of a tensor's weights: magnitudes, deviations, levels nearest to them."""

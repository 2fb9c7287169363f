"""What vectors of explicit length can do, and memory aligned for them."""

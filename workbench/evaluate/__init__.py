"""How well a network answers: hits counted on held-out images, with intervals."""

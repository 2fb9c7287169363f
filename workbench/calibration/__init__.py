"""What the network does on calibration images: the evidence that calibrated methods ask for."""

"""Networks run on images side by side in the lanes of vectors."""

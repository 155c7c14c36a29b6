"""The pieces that screens are made of; each paints its own lines, through one gate."""

"""Many finished runs side by side, in the layout of the paper's tables."""

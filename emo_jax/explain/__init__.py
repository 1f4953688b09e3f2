"""What a run looks at: contributions of face and hands to its decisions, over time."""

"""How fast this machine extracts and trains, beside what people use today."""

"""The networks: face detector, face backbone and temporal heads."""

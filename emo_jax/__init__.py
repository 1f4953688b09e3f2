"""Emotion recognition in signers: features, training and evaluation in JAX and Flax."""

"""How sure the scores of a set of predictions are: what the paper's tables do not say.

All of it is conditional on the models that were trained and, but for BOBSL, whose episodes are
drawn, on the signers: it says how scores vary with the utterances, not with who signs them.
"""

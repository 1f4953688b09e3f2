"""signsim: the embedded corpus, a simulation of emotion recognition in signers."""

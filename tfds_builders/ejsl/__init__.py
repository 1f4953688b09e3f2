"""eJSL: 78 utterances in Japanese Sign Language by two signers in seven emotions."""

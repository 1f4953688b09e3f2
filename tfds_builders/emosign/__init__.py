"""EmoSign: 200 utterances in American Sign Language with sentiment and ten emotions."""

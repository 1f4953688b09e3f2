"""Text beside the signing: subtitles, sentences, and the emotions in them."""

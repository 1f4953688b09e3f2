"""BOBSL: BBC programmes interpreted into British Sign Language, with subtitles."""

"""Vision language models as peers, asked through any server with OpenAI's chat completions."""

"""Tables that several stages read: embeddings, prompts, texts, conversations, examples, facts."""

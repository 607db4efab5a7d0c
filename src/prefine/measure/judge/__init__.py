"""LLM judges that compare two responses."""

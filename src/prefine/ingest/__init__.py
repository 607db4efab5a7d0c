"""Read source files: raw rows become prompts, responses and judgements."""

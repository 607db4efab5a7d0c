"""Language models that compare two responses in words."""

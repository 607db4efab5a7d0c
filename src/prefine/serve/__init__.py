"""The only modules that open a socket or load a model.

What comes in: weights, servers, texts, token ids. What goes out: rewards, hidden-state sums,
embeddings, token counts. What never happens: a decision, or a failure turned into a number.
"""

"""Rewards: scores of reward models, a bootstrap reward fitted on the data's labels, agreement."""

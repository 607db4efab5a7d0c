"""Rewards: raw outputs of reward models, heads fitted on the data's own labels, agreement."""

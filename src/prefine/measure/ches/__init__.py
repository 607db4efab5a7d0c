"""CHES: how alike chosen and rejected are in the policy's own hidden space."""

"""A plug-in distribution: one measure, one reward backend, one layout, one target."""

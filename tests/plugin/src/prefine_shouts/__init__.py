"""A distribution beside prefine: one measure, one reward backend, one layout, one target."""

"""``python -m prefine.cli``."""

from prefine.cli import main

main()

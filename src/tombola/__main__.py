"""`python -m tombola`."""

from tombola.cli import main

main()

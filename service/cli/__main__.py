"""`python -m service.cli`: what the bootstrap hands over to."""

from service.cli.main import main

main()

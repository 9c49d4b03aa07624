"""``python -m cpabmm_cli``."""

from cpabmm_cli.app import main

main()

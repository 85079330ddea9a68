"""`python -m option_critic` is the command `option-critic`."""

from option_critic.cli.main import main

main()

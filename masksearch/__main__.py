"""`python -m masksearch`: the command line."""

import sys

from masksearch.cli.main import main

sys.exit(main())

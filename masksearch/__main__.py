"""`python -m masksearch`: the command line."""

import sys

from masksearch.cli import main

sys.exit(main())

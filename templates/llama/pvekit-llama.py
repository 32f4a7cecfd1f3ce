#!/usr/bin/python3
"""pvekit's own program beside llama-server: see /usr/local/lib/pvekit/pvekit_llama."""

import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "/usr/local/lib/pvekit")

from pvekit_llama.__main__ import main  # noqa: E402

sys.exit(main())

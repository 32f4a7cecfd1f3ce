#!/usr/bin/python3
"""pvekit's own program on a NAS: see /usr/local/lib/pvekit/pvekit_nas."""

import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "/usr/local/lib/pvekit")

from pvekit_nas.__main__ import main  # noqa: E402

sys.exit(main())

# SPDX-License-Identifier: BSD-3-Clause
"""Makes test/lib and the modules beside this file importable."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

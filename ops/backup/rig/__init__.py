"""A lab of backups: one machine with its database and shop, and what plays S3 and Azure.

Accounts, processes, buyers and the verdict are those of the lab of failover, in ops/cluster.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "cluster"))

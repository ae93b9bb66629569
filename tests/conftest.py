"""What holds for all tests: nothing may reach a network beyond this machine.

The guard is an audit hook in tests/loopback/sitecustomize.py, which every Python started from here
finds on its path: the kernels of the notebooks, JupyterLab, the children of the graders.
"""

import os
import runpy
from pathlib import Path

LOOPBACK = Path(__file__).parent / "loopback"

os.environ["PYTHONPATH"] = os.pathsep.join([str(LOOPBACK), *filter(None, [os.environ.get("PYTHONPATH")])])
runpy.run_path(str(LOOPBACK / "sitecustomize.py"))

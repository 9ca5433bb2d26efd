"""Entry of the run-owning process: `python -I -S main.py [--detach] RUN_DIR`.

The standard library and this package only: `-I -S` keeps site-packages, the user's folders and PYTHON* variables out.
Exit code 75 (EX_TEMPFAIL): the directory belongs, or belonged, to another runner; nothing was touched.
"""

import os
import sys

if __name__ == "__main__":
    # -I leaves the script's own folder out of sys.path; appended, the root of the project can shadow nothing.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from experiments.runner.guardian import main

    sys.exit(main(sys.argv[1:]))

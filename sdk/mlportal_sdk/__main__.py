import sys

from mlportal_sdk.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m segshrink`: the command line where its script is not on the path."""

from segshrink.cli import main

if __name__ == "__main__":
    main()

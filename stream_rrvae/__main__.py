"""`python -m stream_rrvae`: the same as the command `stream-rrvae`."""

from stream_rrvae.cli import main

if __name__ == "__main__":
    main()

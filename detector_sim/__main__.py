"""`python -m detector_sim`: the same as the command `detector-sim`."""

from detector_sim.cli import main

if __name__ == "__main__":
    main()

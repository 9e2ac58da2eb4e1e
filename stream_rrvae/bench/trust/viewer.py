"""A viewer of a feed, as a process that can be stopped: python -m stream_rrvae.bench.trust.viewer FEED."""

from __future__ import annotations

import sys

from stream_rrvae.feed.subscriber import Subscriber


def main(feed: str) -> None:
    """Take every snapshot until killed; `seeing` is said at the first."""
    with Subscriber(feed) as viewer:
        told = False
        while True:
            if viewer.receive(1.0) is not None and not told:
                told = True
                sys.stdout.write("seeing\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

"""The page of recorded scans."""

"""What everything else rests on: configuration, errors, random streams, files."""

"""`python -m gpjepa` is the command `gpjepa`."""

from gpjepa.cli.main import main

if __name__ == "__main__":
    main()

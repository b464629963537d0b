"""`python -m medvl`, the same as `medvl`."""

from medvl.cli.main import main

if __name__ == "__main__":
    main()

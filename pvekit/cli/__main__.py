"""``python -m pvekit.cli`` does what the program ``pvekit`` does."""

from pvekit.cli.main import main

if __name__ == "__main__":
    main()

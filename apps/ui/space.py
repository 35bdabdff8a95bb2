"""What a Space runs, as a script: python apps/ui/space.py, from the folder that holds apps/ and upscaler/."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])  # Python puts the script's own folder there
    from apps.ui.__main__ import main

    main()

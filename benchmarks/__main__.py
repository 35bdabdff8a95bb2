"""Run the benchmarks: python -m benchmarks [STAGE ...], all of them without a name"""

import argparse
import importlib
import pkgutil

import benchmarks


def main() -> None:
    """Run the command line."""
    stages = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(stages))
    parser.add_argument("--minutes", type=float, default=2.0, help="traffic to each app, by serving (default: 2)")
    given = parser.parse_args()
    for stage in given.stages or stages:
        if stage not in stages:
            parser.error(f"there is no benchmark {stage!r}; there are {', '.join(stages)}")
        print(f"## {stage}\n", flush=True)
        main_of_stage = importlib.import_module(f"benchmarks.{stage}").main
        main_of_stage(given.minutes) if stage == "serving" else main_of_stage()


if __name__ == "__main__":
    main()

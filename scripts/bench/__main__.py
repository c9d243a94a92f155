"""The promises, measured: `make bench` prints the tables that docs/performance.md keeps.

    python -m scripts.bench [PART…]     a part is a file beside this one; none named: all but `scale`

    BENCH_SECONDS   how long each figure is measured (4)
    BENCH_PEOPLE    how many people are stored first (rest: 1,000; scale: 100,000)

Server, mongod and load generator share this machine.
"""

import sys
from importlib import import_module
from pathlib import Path

LONG = {"scale"}  # takes half an hour: by name only


def parts() -> list[str]:
    """Return the names of the parts: the modules here that have a `run`."""
    modules = (path.stem for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem != "__main__")
    return [name for name in modules if hasattr(import_module(f"scripts.bench.{name}"), "run")]


def main() -> None:
    known = parts()
    asked = sys.argv[1:] or [name for name in known if name not in LONG]
    if unknown := set(asked) - set(known):
        raise SystemExit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in asked:
        sys.stdout.write(f"\n## {name}\n\n")
        import_module(f"scripts.bench.{name}").run()


if __name__ == "__main__":
    main()

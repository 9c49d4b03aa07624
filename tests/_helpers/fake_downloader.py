"""A replacement for yt-dlp that records its arguments and copies local files."""

import json
import sys
from pathlib import Path

_PROGRAM = """#!{python}
import json, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
with open(here / "calls.jsonl", "a", encoding="utf-8") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
video = sys.argv[-1].removeprefix("https://www.youtube.com/watch?v=")
template = sys.argv[sys.argv.index("--output") + 1]
if "%" in template.replace("%%", ""):
    sys.exit("ERROR: invalid output template")
output = pathlib.Path(template.replace("%%", "%"))
source = here / "online" / (video + ".mp4")
print("[youtube] noise on stdout")
if not source.exists():
    print("WARNING: [youtube] something else", file=sys.stderr)
    print("ERROR: [youtube] " + video + ": Video unavailable.", file=sys.stderr)
    print("ERROR: is private", file=sys.stderr)
    sys.exit(1)
shutil.copy(source, output)
"""


def install_fake_downloader(folder: Path) -> str:
    """Write the program as ``folder/yt-dlp``; it "downloads" from ``folder/online``.

    Returns:
        The path of the program.
    """
    (folder / "online").mkdir(parents=True)
    program = folder / "yt-dlp"
    program.write_text(_PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return str(program)


def calls(folder: Path) -> list[list[str]]:
    """Return the arguments of each call."""
    path = folder / "calls.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]

"""The public names of preprocessing."""

from .boxes import Box as Box
from .mgif import GifSummary as GifSummary
from .mgif import convert_gifs as convert_gifs
from .published.cut_set import CutSummary as CutSummary
from .published.cut_set import cut_set as cut_set
from .published.download import download_videos as download_videos
from .published.table import TableRow as TableRow
from .published.table import read_table as read_table
from .raw.assemble import VideoSummary as VideoSummary
from .raw.rules import ClipRules as ClipRules
from .raw.rules import rules_for as rules_for
from .raw.settings import ClipSettings as ClipSettings
from .raw.videos import preprocess_videos as preprocess_videos
from .shard import Shard as Shard

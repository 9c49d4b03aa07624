"""``cpabmm preprocess``: make data sets for training."""

import typer

from cpabmm_cli.commands.preprocess.mgif import mgif
from cpabmm_cli.commands.preprocess.puppets import puppets
from cpabmm_cli.commands.preprocess.tables import taichi, ted, vox
from cpabmm_cli.commands.preprocess.videos import videos
from cpabmm_cli.failures import with_exit_code

preprocess_app = typer.Typer(help="Make a data set for training.", no_args_is_help=True)
preprocess_app.command("puppets")(with_exit_code(puppets))
preprocess_app.command("taichi")(with_exit_code(taichi))
preprocess_app.command("vox")(with_exit_code(vox))
preprocess_app.command("ted")(with_exit_code(ted))
preprocess_app.command("mgif")(with_exit_code(mgif))
preprocess_app.command("videos")(with_exit_code(videos))

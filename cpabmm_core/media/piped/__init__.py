"""Reading of videos and pictures that come through a pipe, such as standard input."""

from cpabmm_core.media.piped.byte_pipe import BytePipe
from cpabmm_core.media.piped.opening import open_pipe

__all__ = ["BytePipe", "open_pipe"]

"""What the controls of the page do, independent of how the page is made."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cpabmm_cli.web.inputs import Choice
from cpabmm_cli.web.rendering import Run, State
from cpabmm_cli.web.samples import render_samples
from cpabmm_cli.web.sessions import SAMPLES, Sessions
from cpabmm_core.errors import MediaError
from cpabmm_core.inference import (
    AnimationCallbacks,
    AnimationReport,
    InferenceModel,
    animate_file,
    read_settings,
)

_UPLOADED = re.compile(r"[0-9a-f]{64}")
"""The folders in which Gradio stores uploads."""


class Studio:
    """A model, its visitors and what they may do.

    Args:
        inference_model: renders the frames.
        folder: an empty folder for all files.

    Attributes:
        samples: files to pick from.
    """

    def __init__(self, inference_model: InferenceModel, folder: Path) -> None:
        self._inference_model = inference_model
        self.folder = folder.resolve()
        self.samples = render_samples(self.folder / SAMPLES)
        self.sessions = Sessions(self.folder, self.samples)

    @property
    def modes(self) -> list[str]:
        """The modes of the model."""
        has_avd = self._inference_model.model.avd is not None
        return ["relative", "standard", *(["avd"] if has_avd else [])]

    def upload_source(self, visitor: str, upload: Path) -> Choice:
        """Check an uploaded source and choose it.

        Raises:
            CpabmmError: it is neither a picture nor a video.
        """
        return self.sessions.get(visitor).upload_source(self._received(upload))

    def upload_driving(self, visitor: str, upload: Path) -> Choice:
        """Check an uploaded driving video and choose it.

        Raises:
            CpabmmError: it has no frames.
        """
        return self.sessions.get(visitor).upload_driving(self._received(upload))

    def pick_source(self, visitor: str, number: int) -> Choice:
        """Choose a sample as the source."""
        session = self.sessions.get(visitor)
        session.source = self.samples.sources[number]
        return session.source

    def pick_driving(self, visitor: str, number: int) -> Choice:
        """Choose a sample as the driving video."""
        session = self.sessions.get(visitor)
        session.driving = self.samples.driving[number]
        return session.driving

    def animate(self, visitor: str, values: Mapping[str, object]) -> Iterator[State]:
        """Animate the chosen source with the chosen driving video.

        Args:
            visitor: name of the session.
            values: fields of `AnimationSettings`.

        Yields:
            The progress, and then the end. Closing the iterator stops the run.
        """
        session = self.sessions.get(visitor)
        source, driving, output = session.source, session.driving, session.new_output()

        def animate(tell: AnimationCallbacks) -> AnimationReport:
            return animate_file(
                self._inference_model,
                str(source.path),
                str(driving.path),
                str(output),
                read_settings(values),
                callbacks=tell,
            )

        session.run = Run(animate, output, driving.frames)
        yield from session.run.states()

    def stop(self, visitor: str) -> None:
        """Stop the run of a visitor at its next frame."""
        run = self.sessions.get(visitor).run
        if run is not None:
            run.stop()

    def _received(self, upload: Path) -> Path:
        """Check that a path, which the browser sends, is that of a finished upload.

        Raises:
            MediaError: it is any other path.
        """
        path = upload.resolve()
        is_upload = path.parent.parent == self.folder and _UPLOADED.fullmatch(path.parent.name)
        if not is_upload or not path.is_file():
            raise MediaError(f"{upload.name}: is no upload; choose the file again")
        return path

    def close(self) -> None:
        """Stop all runs and delete the files of all visitors."""
        self.sessions.close_all()

"""``cpabmm app``: a page to animate pictures in a browser."""

import webbrowser
from typing import Annotated

import typer

from cpabmm_cli.checkpoints import announce_model, prepare_checkpoint
from cpabmm_cli.console import terminal
from cpabmm_cli.options import BatchSizeOption, CheckpointOption, DeviceOption, PrecisionOption
from cpabmm_core.checkpoint.names import DEFAULT_CHECKPOINT


def app(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Other computers cannot reach the default.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on. 0 takes any free port.")
    ] = 7860,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    checkpoint: CheckpointOption = DEFAULT_CHECKPOINT,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    batch_size: BatchSizeOption = None,
) -> None:
    """Serve a page to animate pictures in a browser, until Ctrl-C.

    The page needs `pip install 'cpabmm[app]'`. It loads nothing from other sites. Files of
    visitors are deleted when they leave.
    """
    from cpabmm_cli.web.server import (
        address_of,
        is_loopback,
        open_socket,
        page_app,
        private_folder,
        require_gradio,
        web_server,
    )

    require_gradio()
    with open_socket(host, port) as listener, private_folder() as folder:
        from cpabmm_cli.web.studio import Studio
        from cpabmm_core import load_model
        from cpabmm_core.inference import InferenceModel

        model = load_model(prepare_checkpoint(checkpoint), device)
        inference_model = InferenceModel(model, None, batch_size, precision)
        chosen = announce_model(checkpoint, model, precision)
        studio = Studio(inference_model, folder)
        is_local = is_loopback(listener)
        if not is_local:
            terminal.say(f"{host}: everybody who can reach this machine can use the page")
        line = f"Model {checkpoint}, {inference_model.device}, {chosen}"
        page = page_app(studio, line, is_local=is_local)

        def announce() -> None:
            terminal.result(address_of(listener))
            terminal.say("press Ctrl-C to stop")
            if open_browser:
                webbrowser.open(address_of(listener))

        web_server(page, on_start=announce, on_stop=studio.close).run([listener])

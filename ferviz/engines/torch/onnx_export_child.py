"""The process in which PyTorch's newer exporter works: a module that `onnx_export` starts. It never imports TensorFlow.

It takes two messages, where the network's classes stand and the network as a pickle of its parent's own, and gives one answer.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import sys
from pathlib import Path

from ferviz.engines.torch.onnx_export import DONE, REFUSED, UNREADABLE, reason_of
from ferviz.sandbox.messages import channel, read_message, write_message


def main() -> None:
    """Export one network."""
    reader, writer = channel()
    about, content = json.loads(read_message(reader)), read_message(reader)
    try:
        write_message(writer, _answer(about, content))
    except EOFError:
        return


def _answer(about: dict[str, object], content: bytes) -> bytes:
    import torch

    from ferviz.engines.torch.onnx_exporters import export_by_dynamo

    try:
        _import_classes(about["files"])  # type: ignore[arg-type]
        module = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    except Exception as error:  # code of the user's own
        return UNREADABLE + reason_of(error).encode()
    try:
        return DONE + export_by_dynamo(module.eval(), torch.zeros(about["shape"]))
    except Exception as error:  # an exporter runs code of the network's own
        return REFUSED + reason_of(error).encode()


def _import_classes(files: dict[str, str]) -> None:
    """Import the modules that the network's classes stand in, from the files that the parent had them from."""
    for name, text in files.items():
        path = Path(text)
        package = path.parents[name.count(".") + (path.name == "__init__.py")]
        for folder in (package, path.parent):
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
        try:
            importlib.import_module(name)
        except (
            ImportError
        ):  # a file that was named and is in no folder of packages, such as --architecture my_net.py:MyNet
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is None or spec.loader is None:
                raise
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)


if __name__ == "__main__":
    main()

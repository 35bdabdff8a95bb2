"""OpenVINO without its converter of models, whose import reports to Google Analytics without having asked.

The report is sent by a fork of this process, which may hold the exit up for three seconds and prints a traceback at
Ctrl-C. Nothing here converts models, and OpenVINO does without its converter if it is not there.
"""

import sys

_CONVERTER = "openvino.tools.ovc"

if "openvino" in sys.modules:
    import openvino as ov
else:
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # Python's way to hide a module
    import openvino as ov

    del sys.modules[_CONVERTER]  # for programs that import it themselves

operations = ov.opset13

__all__ = ["operations", "ov"]

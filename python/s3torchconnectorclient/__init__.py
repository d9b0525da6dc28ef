"""A drop-in replacement for AWS's s3torchconnectorclient, with an engine in Go.

Owns: the package's public names, upstream's import-time warnings. Refuses to know: everything else. Importing it starts no thread
and opens no connection; the engine is loaded with the first client.
"""

from __future__ import annotations

import copyreg
import platform
import warnings
from typing import TYPE_CHECKING

from ._errors import reduce as _reduce
from ._logger_patch import TRACE as LOG_TRACE
from ._logger_patch import _install_trace_logging
from ._mountpoint_s3_client import S3Exception, __version__

if TYPE_CHECKING:
    from ._config import S3ClientConfig

__all__ = ["LOG_TRACE", "S3ClientConfig", "S3Exception", "__version__"]

_install_trace_logging()
copyreg.pickle(S3Exception, _reduce)


def __getattr__(name: str) -> object:
    if name == "S3ClientConfig":  # waits until somebody looks: _config.py says why
        from ._config import S3ClientConfig  # noqa: PLC0415

        globals()[name] = S3ClientConfig
        return S3ClientConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Upstream's warnings, word for word; its tests patch `platform` and count them.

try:
    if platform.system() == "Darwin" and platform.machine() == "x86_64":
        warnings.warn(
            "macOS x86_64 wheel support will be deprecated in a future release. "
            "Please refer to https://github.com/awslabs/s3-connector-for-pytorch/issues/398 for more details.",
            FutureWarning,
            stacklevel=2,
        )
except Exception:  # noqa: BLE001, S110 - a platform that cannot be asked is no reason to fail
    pass

try:
    if platform.python_version().startswith("3.8."):
        warnings.warn(
            "Python 3.8 support will be deprecated in a future release. "
            "Please refer to https://github.com/awslabs/s3-connector-for-pytorch/issues/399 for more details.",
            FutureWarning,
            stacklevel=2,
        )
except Exception:  # noqa: BLE001, S110 - as above
    pass

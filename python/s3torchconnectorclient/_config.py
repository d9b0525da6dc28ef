"""S3ClientConfig, which s3torchconnector takes wherever it takes its own.

Owns: the fields beyond s3torchconnector's. Refuses to know: what they do.

This module is imported at the first look at s3torchconnectorclient.S3ClientConfig, not before: being a subclass of
s3torchconnector's class, where that is installed, is the only way to pass for it in every respect (isinstance, pickle,
dataclasses.replace), and importing s3torchconnector imports torch, which takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3torchconnector._s3client.s3client_config import S3ClientConfig as _Upstream
else:
    try:
        from s3torchconnector._s3client.s3client_config import S3ClientConfig as _Upstream
    except Exception:  # noqa: BLE001 - a torch that does not load raises all sorts of things, and then nobody can check the type

        @dataclass(frozen=True)
        class _Upstream:
            throughput_target_gbps: float = 10.0
            part_size: int = 8 * 1024 * 1024
            unsigned: bool = False
            force_path_style: bool = False
            max_attempts: int = 10
            profile: str | None = None


@dataclass(frozen=True)
class S3ClientConfig(_Upstream):  # type: ignore[misc,unused-ignore]  # Any where it is not installed
    """How clients are configured.

    throughput_target_gbps: how fast to be, in Gbit/s; decides the number of connections. 10.0 by default.
    part_size: bytes of a part, 5 MiB to 5 GiB. 8 MiB by default. Parts of uploads grow by themselves where needed.
    unsigned: send requests without credentials.
    force_path_style: put the bucket into the path and not into the host's name.
    max_attempts: how often a request is tried. 10 by default.
    profile: use the credentials of this profile alone.
    requester_pays: the account that asks pays for requests. For MountpointS3Client(..., requester_pays=True);
        s3torchconnector 1.5.0 does not pass it on.
    """

    requester_pays: bool = False


S3ClientConfig.__module__ = __package__  # where it is imported from, and pickled by

"""Brings an image to a storage: downloaded by the node itself, or uploaded from here."""

from __future__ import annotations

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.errors import ImageInvalid, TaskFailed
from pvekit.model.plan import Action
from pvekit.provision.apply.job import Job, ResolvedImage


def image(job: Job, action: Action, context: Context) -> None:
    """Make sure that the image is there. Its name carries its digest, so a file of that name is the right one."""
    _, name, storage, node = action.id.split(":")
    found = job.images(name, context.log)
    if found.volid:
        _already_there(job, name, found.volid, node)
        job.volumes[name, storage, node] = found.volid
        return
    volid = f"{storage}:{found.content}/{found.filename}"
    # PVE copies an upload to its place byte by byte: half of it has the name already. A download appears whole.
    size = found.path.stat().st_size if found.path is not None else None

    def there() -> bool:
        volumes = api.content(job.pve, node, storage, found.content)
        return any(volume.volid == volid and size in (None, volume.size) for volume in volumes)

    if there():
        context.log(f"{volid} is there")
    else:
        context.log(f"bringing {volid}")
        try:
            job.task("", context, lambda: _bring(job, found, node, storage, context), there, abort=True)
        except TaskFailed as error:
            if "checksum" not in str(error).lower():
                raise TaskFailed(error.message, where=f"image {name}", hint=_hint(found, error)) from error
            raise ImageInvalid(
                f"{error.message}\n  expected {found.algorithm}: {found.checksum}",
                where=f"image {name}",
                hint="The publisher may have replaced it: compare its checksum list, then write the new checksum.",
            ) from error
    job.volumes[name, storage, node] = volid


def _already_there(job: Job, name: str, volid: str, node: str) -> None:
    """Raise ImageInvalid when the volume that the stack file names is not there."""
    storage = volid.partition(":")[0]
    volumes = [volume.volid for volume in api.content(job.pve, node, storage, "iso")]
    if volid not in volumes:
        raise ImageInvalid(
            f"there is no {volid} on {node}",
            where=f"image {name}",
            hint=f"It has: {', '.join(sorted(volumes)) or 'no ISO'}. Upload it, or give path: instead of volume:.",
        )


def _hint(found: ResolvedImage, error: TaskFailed) -> str:
    return f"Is {found.url} right, and can the node reach it? {error.hint}" if found.url else error.hint


def _bring(job: Job, found: ResolvedImage, node: str, storage: str, context: Context) -> str:
    if found.path is None:
        return api.download_url(
            job.pve,
            node,
            storage,
            found.url,
            content=found.content,
            filename=found.filename,
            checksum=found.checksum,
            algorithm=found.algorithm,
        )
    told = 0

    def progress(sent: int, size: int) -> None:
        nonlocal told
        if size and sent * 10 // size > told:
            told = sent * 10 // size
            context.log(f"sent {sent * 100 // size} % of {size >> 20} MiB")

    return api.upload(
        job.pve,
        node,
        storage,
        found.path,
        content=found.content,
        sha256=found.checksum,
        filename=found.filename,
        progress=progress,
    )

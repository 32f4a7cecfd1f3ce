"""The answer CD of an installation: made here when it is uploaded, deleted once the system is installed."""

from __future__ import annotations

from collections.abc import Callable

from pvekit.adapters.iso import write_iso
from pvekit.adapters.secrets import Secret
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PreflightRefused
from pvekit.model.productkey import check_key, install_key
from pvekit.provision.apply.job import Job

LABEL = "PVEKIT_ANS"
FOLDER = "pvekit"


def answer_cd(job: Job, vm: DesiredVm, log: Callable[[str], None]) -> bytes:
    """Return the answer CD as an ISO with Joliet and UDF names.

    Raises ImageInvalid when the setup CD lacks the system, PreflightRefused for a key of another edition.
    """
    # Templates and time zones are loaded for Windows alone.
    from pvekit.adapters.windows import answer_for, check, render

    assert vm.install is not None  # noqa: S101 - asked for such VMs only
    windows = vm.install.windows
    choice = job.media.choice(vm, log)
    log(f"{choice.image.name}, build {choice.image.build}")
    answer = answer_for(
        vm.install.wanted,
        choice.image,
        setup_language=choice.setup_language,
        by_name=choice.unique,
        disk_bytes=vm.disks[0].size_bytes,
        keys=(*vm.install.wanted.ssh_keys, job.public_key),
        key=_product_key(job, vm),
        secret=lambda ref: Secret(job.secret(ref)),
    )
    rendered = render(answer)
    check(rendered, answer)
    drivers = job.media.drivers(windows.drivers, windows.release, log)
    files = {**rendered, **{_place(path): data for path, data in drivers.items()}}
    files[f"{FOLDER}/OpenSSH-Win64.msi"] = job.media.openssh(windows.openssh, log)
    return write_iso(files, LABEL, udf=True)


def _place(path: str) -> str:
    return f"{FOLDER}/drivers/{path}" if "/" in path else f"{FOLDER}/{path}"


def _product_key(job: Job, vm: DesiredVm) -> Secret | None:
    """Return the person's key, or the public one of the edition; None where Setup wants none."""
    assert vm.install is not None  # noqa: S101 - asked for such VMs only
    windows = vm.install.windows
    if windows.key is not None:
        try:
            return Secret(check_key(job.secret(windows.key), windows.edition).text)
        except PreflightRefused as error:
            raise PreflightRefused([f"{vm.name}: {each}" for each in error.reasons], hint=error.hint) from None
    public = install_key(windows.edition)
    return Secret(public.text) if public is not None else None

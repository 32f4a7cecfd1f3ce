"""From a VM of the stack, and the image that was chosen for it, to its answer file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pvekit.model.answer import Account, Answer, Hidden, disk_range
from pvekit.model.answer.zones import windows_zone
from pvekit.model.errors import PreflightRefused
from pvekit.model.media import WindowsImage
from pvekit.model.stack import SecretRef, Vm


def answer_for(
    vm: Vm,
    image: WindowsImage,
    *,
    setup_language: str,
    by_name: bool,
    disk_bytes: int,
    keys: Sequence[str],
    key: Hidden | None,
    secret: Callable[[SecretRef], Hidden],
) -> Answer:
    """Return the answer file of a Windows VM.

    ``image`` is the one chosen on the medium, ``by_name`` whether its name is the only one of its kind there;
    ``setup_language`` what Setup speaks; ``disk_bytes`` the size of scsi0; ``keys`` the public SSH keys of the
    administrators; ``key`` the product key or None; ``secret`` fetches a password. Raises PreflightRefused for a time
    zone that Windows does not know.
    """
    windows = vm.windows
    if windows is None or vm.password is None:
        raise PreflightRefused([f"{vm.name} is no Windows VM with a password"])
    least, most = disk_range(disk_bytes)
    return Answer(
        computer=vm.name,
        release=windows.release,
        edition_id=image.edition_id,
        image_name=image.name,
        image_index=image.index,
        setup_language=setup_language,
        language=_spelled(windows.language, image.languages),
        locale=windows.locale,
        keyboard=windows.keyboard,
        timezone=windows_zone(vm.timezone) if vm.timezone else "",
        accounts=(
            Account(vm.user, secret(vm.password), admin=True),
            *(Account(user.name, secret(user.password), user.admin) for user in windows.users),
        ),
        ssh_keys=tuple(dict.fromkeys(key_.strip() for key_ in keys)),
        disk_min=least,
        disk_max=most,
        by_name=by_name,
        rdp=windows.rdp,
        updates=vm.updates,
        key=key,
        architecture=image.architecture,
    )


def _spelled(language: str, known: Sequence[str]) -> str:
    """Return the language as the image spells it."""
    return next((each for each in known if each.casefold() == language.casefold()), language)

"""What a Windows installation medium holds, and which of its images is the wanted one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pvekit.model.errors import ImageInvalid

# What the stack calls an edition, and what the image calls it (EDITIONID). Names of images are no help: the same image
# is "Windows 10 Pro" on one ISO of Windows 11 and "Windows 11 Pro" on the next.
EDITIONS = {
    "home": "Core",
    "pro": "Professional",
    "pro-workstations": "ProfessionalWorkstation",
    "pro-education": "ProfessionalEducation",
    "education": "Education",
    "enterprise": "Enterprise",
    "enterprise-eval": "EnterpriseEval",
}

_FIRST_BUILD_OF_11 = 22000
_FIRST_BUILD_OF_10 = 10240


@dataclass(frozen=True, slots=True)
class WindowsImage:
    """One image of a WIM file.

    ``edition_id`` is Microsoft's word (``Professional``); ``architecture`` amd64, x86, arm64 ...; ``version`` is
    ``10.0.26100.1742``, empty when the file does not say; ``total_bytes`` is the size unpacked.
    """

    index: int
    name: str
    display_name: str
    edition_id: str
    architecture: str
    languages: tuple[str, ...]
    default_language: str
    version: str
    build: int
    total_bytes: int

    @property
    def release(self) -> int:
        """Return 11 or 10; 0 for anything else. Windows 11 still calls itself 10.0: the build tells."""
        if self.build >= _FIRST_BUILD_OF_11:
            return 11
        return 10 if self.build >= _FIRST_BUILD_OF_10 else 0

    def __str__(self) -> str:
        """Return the image as one line of a list."""
        edition = self.edition_id or "no edition"
        languages = ", ".join(self.languages) or "no language"
        release = f"Windows {self.release}" if self.release else "not Windows 10 or 11"
        return f"{self.index}: {self.name} ({edition}, {release}, build {self.build}, {self.architecture}, {languages})"


@dataclass(frozen=True, slots=True)
class WindowsMedia:
    """A Windows installation ISO.

    ``filesystem`` is the one the image was found in (UDF, Joliet, ISO 9660); ``boot_images`` are those of boot.wim and
    ``setup_languages`` those of lang.ini, both empty when the medium has no such file.
    """

    label: str
    filesystem: str
    install_path: str
    install_bytes: int
    images: tuple[WindowsImage, ...]
    boot_images: tuple[WindowsImage, ...] = ()
    setup_languages: tuple[str, ...] = ()

    def setup_language(self, wanted: str) -> str:
        """Return the language that Windows Setup itself can show: ``wanted`` if the medium has it, else its own.

        An answer file that names a language which boot.wim lacks stops Setup at its first page.
        """
        named = (language for image in self.boot_images for language in (*image.languages, image.default_language))
        has = [each for each in named if each] or list(self.setup_languages)
        same = [each for each in has if each.casefold() == wanted.casefold()]
        return (same or has or [wanted])[0]

    def name_is_unique(self, image: WindowsImage) -> bool:
        """Return whether the image can be chosen by its name alone (dism /Name, /IMAGE/NAME)."""
        return bool(image.name) and [each.name for each in self.images].count(image.name) == 1


def choose(
    media: WindowsMedia, edition: str, language: str, release: int, *, architecture: str = "amd64", where: str = ""
) -> WindowsImage:
    """Return the image of an edition (a key of ``EDITIONS``, or an EDITIONID), language and release.

    Of several that fit, the newest build is taken. Raises ImageInvalid, with the list of what the medium has; ``where``
    names the medium.
    """
    wanted = EDITIONS.get(edition, edition).casefold()
    spoken = language.casefold()
    steps: tuple[tuple[str, Callable[[WindowsImage], bool], str], ...] = (
        (f"for {architecture}", lambda image: image.architecture == architecture, _NEXT[0]),
        (f"of Windows {release}", lambda image: image.release == release, _NEXT[1]),
        (f"of the edition {edition}", lambda image: image.edition_id.casefold() == wanted, _NEXT[2]),
        (f"in the language {language}", lambda image: spoken in map(str.casefold, image.languages), _NEXT[3]),
    )
    left = list(media.images)
    said: list[str] = []
    for what, fits, hint in steps:
        said.append(what)
        left = [image for image in left if fits(image)]
        if not left:
            rows = "\n".join(f"  {image}" for image in media.images)
            raise ImageInvalid(f"no image {' '.join(said)} on it. It has:\n{rows}", where=where, hint=hint)
    return max(left, key=lambda image: (image.build, -image.index))


_NEXT = (
    "VMs here are 64-bit PCs: fetch the x64 ISO.",
    "Write the release of this ISO into the stack file, or fetch the other ISO.",
    "Write an edition of this list into the stack file, or fetch the ISO that has it.",
    "Write a language of this list into the stack file, or fetch the ISO in that language.",
)

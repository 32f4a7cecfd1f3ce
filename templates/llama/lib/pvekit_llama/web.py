"""Opens addresses of the web, and of nothing else."""

import urllib.request

from pvekit_llama.run import Failed


def opened(url, *, headers=None, data=None, timeout=60):
    """Return the open answer. Raises what urllib raises, and Failed for another scheme than http and https."""
    if not url.startswith(("https://", "http://")):
        raise Failed(f"{url.partition('?')[0]} is not a web address.")
    request = urllib.request.Request(url, data=data, headers={"User-Agent": "pvekit", **(headers or {})})  # noqa: S310
    return urllib.request.urlopen(request, timeout=timeout)  # noqa: S310 - the scheme is looked at above

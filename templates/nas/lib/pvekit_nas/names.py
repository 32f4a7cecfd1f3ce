"""Names of snapshots, and which of them are kept. Pure."""

import datetime as dt

FORMAT = "GMT-%Y.%m.%d-%H.%M.%S"
"""Also Samba's shadow:format, by which it shows them as previous versions. In UTC."""


def name(moment):
    """Return the name of a snapshot taken at that time (with a zone)."""
    return moment.astimezone(dt.UTC).strftime(FORMAT)


def moment(text):
    """Return when a snapshot was taken; None for a name that is not ours, which is then left alone."""
    try:
        found = dt.datetime.strptime(text, FORMAT).replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return found if name(found) == text else None


def kept(moments, now, hourly, daily, monthly):
    """Return which snapshots stay.

    That is the last one of each of the latest ``hourly`` hours that have one, likewise of days and months, and all
    that are younger than an hour.
    """
    stay = {each for each in moments if now - each < dt.timedelta(hours=1)}
    for count, unit in ((hourly, "%Y%m%d%H"), (daily, "%Y%m%d"), (monthly, "%Y%m")):
        last = {each.strftime(unit): each for each in sorted(moments)}
        stay |= {last[key] for key in sorted(last)[max(0, len(last) - count) :]} if count else set()
    return stay

"""From the file's shape to the values of the kinds of a home."""

from __future__ import annotations

from typing import Any

from pvekit.model.stack import home, home_shape, shape
from pvekit.model.stack.fields import Fields


def windows(fields: Fields) -> home.Windows:
    """Return how Windows is installed. The locale follows the language, the keyboard the locale."""

    def get(key: str, default: Any) -> Any:
        value = fields.part("windows", key)[0]
        return default if value is None else value

    language = get("language", "en-US")
    locale = get("locale", language)
    edition = get("edition", "pro")
    times: home_shape.WindowsPatienceShape = get("timeouts", home_shape.WindowsPatienceShape())
    given = {f"{key}_s": value for key, value in times.model_dump().items() if value is not None}
    users: list[home_shape.WindowsUserShape] = get("users", [])
    return home.Windows(
        release=get("release", 11),
        edition=edition,
        language=language,
        locale=locale,
        keyboard=get("keyboard", locale),
        key=get("key", None),
        rdp=get("rdp", edition != "home"),
        vbs=get("vbs", False),
        users=tuple(home.WindowsUser(user.name, user.password, user.admin) for user in users),
        drivers=get("drivers", None),
        openssh=get("openssh", None),
        patience=home.WindowsPatience(**given),
    )


def nas(shape_: home_shape.NasShape) -> home.Nas:
    """Return a file server."""
    pool = shape_.pool
    alert = shape_.alert
    return home.Nas(
        pool=home.Pool(
            pool.name,
            pool.layout,
            tuple(home.PoolDisk(disk.serial, disk.size, disk.by_id) for disk in pool.disks),
            tuple(pool.create_on),
            pool.filesystem,
        ),
        users=tuple(home.NasUser(user.name, user.password, user.quota) for user in shape_.users),
        shares=tuple(
            home.Share(
                name,
                users=tuple(share.users),
                readers=tuple(share.readers),
                smb=share.smb,
                nfs=tuple(share.nfs),
                quota_bytes=share.quota,
                time_machine=share.time_machine,
                comment=share.comment,
            )
            for name, share in shape_.shares.items()
        ),
        snapshots=home.Snapshots(shape_.snapshots.hourly, shape_.snapshots.daily, shape_.snapshots.monthly),
        scrub=shape_.scrub,
        alert=home.Alert(alert.mail, alert.server, alert.user, alert.password, alert.command),
        workgroup=shape_.workgroup,
    )


def linux(fields: Fields, stack: shape.StackShape) -> home.Linux:
    """Return what a Linux guest has beyond the server basics."""
    mounts: list[home_shape.MountShape] = fields["mounts"] or []
    return home.Linux(
        desktop=bool(fields["desktop"]),
        locale=fields["locale"],
        keyboard=fields["keyboard"],
        mounts=tuple(_mount(mount, stack) for mount in mounts),
    )


def _mount(mount: home_shape.MountShape, stack: shape.StackShape) -> home.Mount:
    vm, _, share = mount.share.partition("/")
    owner = stack.vms.get(vm)
    people = owner.nas.users if owner is not None and owner.nas is not None else []
    password = next((user.password for user in people if user.name == mount.user), None)
    return home.Mount(vm, share, mount.path, mount.how, mount.user, password)


def schedule(fields: Fields) -> home.Schedule:
    """Return when the host starts and stops the VM."""
    found: home_shape.ScheduleShape | None = fields.part("start", "schedule")[0]
    return home.Schedule(found.start, found.stop) if found is not None else home.Schedule()


def host_ssh(ssh: home_shape.HostSshShape | None) -> home.HostSsh | None:
    """Return how the nodes are reached by SSH."""
    if ssh is None:
        return None
    nodes = {name: home.SshNode(node.address, node.host_key, node.port) for name, node in ssh.nodes.items()}
    return home.HostSsh(ssh.user, ssh.key, nodes)


def tuning(shape_: home_shape.TuningShape) -> home.Tuning:
    """Return the settings of the nodes themselves."""
    return home.Tuning(
        zfs_arc_max_mib=shape_.zfs_arc_max,
        hugepages=shape_.hugepages,
        swappiness=shape_.swappiness,
        governor=shape_.governor,
        ksm=shape_.ksm,
    )

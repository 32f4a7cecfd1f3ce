# What the stack of the test promises, asked of the guest itself without Ansible. Runs as root in the guest, with the
# kind as its argument; prints one line for each promise: "ok NAME", or "wrong NAME: what was found".
say() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "wrong $1: $3"; fi; }
exec 2>/dev/null

say timezone Europe/Berlin "$(timedatectl show --property Timezone --value)"
say account "anna 1000 /home/anna" "$(getent passwd anna | awk -F: '{print $1, $3, $6}')"
say second-account "ben /bin/bash" "$(getent passwd ben | awk -F: '{print $1, $7}')"
say second-account-has-no-password L "$(passwd --status ben | cut -d ' ' -f 2)"
say key 1 "$(grep -c AAAAC3NzaC1lZDI1NTE5AAAAIEeCLyN8cGB0UsTZ2BzjNPfkMmsIvUbtOQOYLrBLCRNW /home/ben/.ssh/authorized_keys)"
say key-mode "600 ben" "$(stat -c '%a %U' /home/ben/.ssh/authorized_keys)"
say sudo "(ALL) NOPASSWD: ALL" "$(sudo -l -U ben | sed -n 's/^ *\((ALL.*\)/\1/p')"
say sudo-valid 0 "$(visudo -c >/dev/null; echo $?)"
say ssh-no-passwords "passwordauthentication no" "$(sshd -T | grep ^passwordauthentication)"
say updates-on 1 "$(apt-config dump APT::Periodic::Unattended-Upgrade | cut -d '"' -f 2)"
say updates-timers "active active" "$(systemctl is-active apt-daily.timer apt-daily-upgrade.timer | paste -sd ' ')"
if [ "$1" = server ]; then
  origins=$(unattended-upgrade --dry-run --debug 2>&1 | grep '^Allowed origins')
  say updates-security 1 "$(echo "$origins" | grep -c 'codename=trixie-security,label=Debian-Security')"
  say updates-nothing-else 0 "$(echo "$origins" | grep -cE 'codename=trixie(,|-updates)')"
fi
say failed-units "" "$(systemctl --failed --no-legend --plain | cut -d ' ' -f 1 | paste -sd ' ')"

if [ "$1" = desktop ]; then
  say locale LANG=de_DE.UTF-8 "$(su -l anna -c locale | grep ^LANG=)"
  say locale-works 1,5 "$(LC_ALL=de_DE.UTF-8 /usr/bin/printf %.1f 1,5)"
  say keyboard de "$(localectl status | sed -n 's/.*X11 Layout: //p')"
  say rdp-runs "active enabled" "$(systemctl is-active xrdp.service) $(systemctl is-enabled xrdp.service)"
  say rdp-port 3389 "$(ss -Htlnp | sed -n 's/.*:\([0-9]*\) .*users:(("xrdp".*/\1/p')"
  say own-key "640 root xrdp" "$(stat -c '%a %U %G' /etc/xrdp/pvekit-key.pem)"
  say not-the-shared-certificate 1 "$(cmp --silent /etc/xrdp/pvekit-cert.pem /etc/ssl/certs/ssl-cert-snakeoil.pem; echo $?)"
  can() { busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager "$1" | cut -d '"' -f 2; }
  say no-sleep "no no" "$(can CanSuspend) $(can CanHibernate)"
  say package-files-untouched "" "$(dpkg --verify xrdp xfce4-session polkitd | grep -vE '/usr/share/(doc|man|locale|info|lintian)' | paste -sd ' ')"
fi
exit 0

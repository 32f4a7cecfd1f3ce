"""The components and settings of answer files that the lint knows, per pass. As of 25 November 2026.

One outline a component: a line starting with ``#`` names component and passes; below it stand its settings, those of
a setting indented by two. ``*`` marks the items of a list, ``!`` what must be there; the word behind is the kind of
value (``kinds.py``). What is not listed is not wrong for Windows, but nobody here has read its page.

Facts from Microsoft's "Unattended Windows Setup Reference" (one page a setting: passes, values, lengths), the page
"Settings to use for an unattended installation", and the published answer files of dockur/windows, rgl/windows-vagrant
and Pumba98/proxmox-packer-templates, which install Windows in their own tests.
"""

from __future__ import annotations

from typing import Final

from pvekit.model.answer.outline_pe import PE
from pvekit.model.answer.outline_shell import SHELL

_OTHERS: Final = """
# Microsoft-Windows-International-Core: specialize oobeSystem
InputLocale input
SystemLocale language
UILanguage language
UILanguageFallback language
UserLocale language

# Microsoft-Windows-Deployment: specialize auditUser
RunAsynchronous
  RunAsynchronousCommand*
    Order! int:1-500
    Path! command:259
    Description text:259
    Credentials
      Domain text
      Password text
      Username text
RunSynchronous
  RunSynchronousCommand*
    Order! int:1-500
    Path! command:259
    Description text:259
    WillReboot Always|OnRequest|Never
    Credentials
      Domain text
      Password text
      Username text

# Microsoft-Windows-Deployment: specialize
ExtendOSPartition
  Extend bool
  ExtendPartition
    DiskID int:0-255
    PartitionID int:1-255

# Microsoft-Windows-Deployment: generalize oobeSystem auditUser auditSystem
Generalize
  ForceShutdownNow bool
  Mode OOBE|Audit
Reseal
  ForceShutdownNow bool
  Mode OOBE|Audit

# Microsoft-Windows-SecureStartup-FilterDriver: specialize offlineServicing auditSystem oobeSystem
PreventDeviceEncryption bool

# Microsoft-Windows-TerminalServices-LocalSessionManager: specialize offlineServicing generalize
fDenyTSConnections bool

# Microsoft-Windows-TerminalServices-RDP-WinStationExtensions: specialize offlineServicing generalize
SecurityLayer int:0-2
UserAuthentication int:0-1

# Networking-MPSSVC-Svc: specialize offlineServicing generalize auditSystem oobeSystem
DomainProfile_EnableFirewall bool
FirewallGroups
  FirewallGroup*
    Active! bool
    Group! text
    Profile! all|domain|private|public|domain,private|domain,public|private,public
PrivateProfile_EnableFirewall bool
PublicProfile_EnableFirewall bool

# Microsoft-Windows-LUA-Settings: offlineServicing specialize auditSystem oobeSystem
EnableLUA bool

# Microsoft-Windows-Security-SPP: generalize specialize
SkipRearm int:0-1

# Microsoft-Windows-Security-SPP-UX: specialize auditSystem oobeSystem
SkipAutoActivation bool

# Microsoft-Windows-PnPSysprep: generalize
DoNotCleanUpNonPresentDevices bool
PersistAllDeviceInstalls bool

# Microsoft-Windows-SQMApi: specialize auditSystem offlineServicing generalize
CEIPEnabled int:0-1

# Microsoft-Windows-ErrorReportingCore: specialize auditSystem oobeSystem generalize
DisableWER int:0-1

# Microsoft-Windows-SystemRestore-Main: specialize auditSystem oobeSystem generalize
DisableSR int:0-1

# Microsoft-Windows-IE-InternetExplorer: specialize auditSystem oobeSystem
DisableAccelerators bool
DisableFirstRunWizard bool
Help_Page text
Home_Page text

# Microsoft-Windows-EnhancedStorage-Adm: oobeSystem specialize
TCGSecurityActivationDisabled int:0-1

# Microsoft-Windows-ServerManager-SvrMgrNc: specialize generalize
DoNotOpenServerManagerAtLogon bool

# Microsoft-Windows-OutOfBoxExperience: specialize generalize
DoNotOpenInitialConfigurationTasksAtLogon bool

# Microsoft-Windows-UnattendedJoin: specialize
Identification
  Credentials
    Domain text
    Password text
    Username text
  JoinDomain text
  JoinWorkgroup text:15
  MachineObjectOU text
  UnsecureJoin bool

# Microsoft-Windows-TCPIP: windowsPE specialize
Interfaces
  Interface*
    Identifier! text
    Ipv4Settings
      DhcpEnabled bool
      Metric int:0-9999
      RouterDiscoveryEnabled bool
    Ipv6Settings
      DhcpEnabled bool
      Metric int:0-9999
      RouterDiscoveryEnabled bool
    Routes
      Route*
        Identifier! int:0-2147483647
        Metric int:0-9999
        NextHopAddress text
        Prefix text
    UnicastIpAddresses
      IpAddress* text

# Microsoft-Windows-DNS-Client: windowsPE specialize
DNSDomain text
UseDomainNameDevolution bool
Interfaces
  Interface*
    Identifier! text
    DNSDomain text
    DNSServerSearchOrder
      IpAddress* text
    DisableDynamicUpdate bool
    EnableAdapterDomainNameRegistration bool
"""

OUTLINES: Final = (PE, SHELL, _OTHERS)
PASSES: Final = (
    "windowsPE",
    "offlineServicing",
    "generalize",
    "specialize",
    "auditSystem",
    "auditUser",
    "oobeSystem",
)
MICROSOFT: Final = "31bf3856ad364e35"
"""The public key token of all of Microsoft's components."""
ARCHITECTURES: Final = ("amd64", "arm64", "x86", "wow64")

"""The settings of Windows' shell: accounts, first start, names. Written as ``components.py`` says."""

from __future__ import annotations

from typing import Final

SHELL: Final = """
# Microsoft-Windows-Shell-Setup: specialize offlineServicing
ComputerName computer

# Microsoft-Windows-Shell-Setup: specialize
CopyProfile bool
ProductKey key

# Microsoft-Windows-Shell-Setup: generalize specialize
DoNotCleanTaskBar bool

# Microsoft-Windows-Shell-Setup: generalize specialize oobeSystem auditSystem auditUser
DisableAutoDaylightTimeSet bool
OEMName text:64
RegisteredOrganization text:256
RegisteredOwner text:256
ShowWindowsLive bool
StartPanelOff bool
TimeZone timezone
BluetoothTaskbarIconEnabled bool
ConfigureChatAutoInstall bool
ConvertibleSlateModePromptPreference int:0-2
SignInMode int:0-2
Display
  ColorDepth int:1-32
  DPI int:96-500
  HorizontalResolution int:1-16384
  RefreshRate int:1-1000
  VerticalResolution int:1-16384
OEMInformation
  HelpCustomized bool
  Logo note
  Manufacturer note
  Model note
  SupportAppURL note
  SupportHours note
  SupportPhone note
  SupportProvider note
  SupportURL note
WindowsFeatures
  ShowInternetExplorer bool
  ShowMediaCenter bool
  ShowWindowsMail bool
  ShowWindowsMediaPlayer bool

# Microsoft-Windows-Shell-Setup: specialize oobeSystem auditSystem auditUser
AutoLogon
  Enabled! bool
  Username! text:256
  Domain text:256
  LogonCount int:1-2147483647
  Password
    Value password
    PlainText bool
FolderLocations
  ProfilesDirectory text
  ProgramData text
VisualEffects
  FontSmoothing Standard|ClearType|Off
  SystemDefaultBackground text

# Microsoft-Windows-Shell-Setup: oobeSystem
OOBE
  HideEULAPage bool
  HideLocalAccountScreen bool
  HideOEMRegistrationScreen bool
  HideOnlineAccountScreens bool
  HideWirelessSetupInOOBE bool
  NetworkLocation Home|Work|Other
  OEMAppId text
  ProtectYourPC int:1-3
  SkipMachineOOBE bool
  SkipUserOOBE bool
  UnattendEnableRetailDemo bool
  VMModeOptimizations
    SkipAdministratorProfileRemoval bool
    SkipNotifyUILanguageChange bool
    SkipWinREInitialization bool

# Microsoft-Windows-Shell-Setup: oobeSystem auditSystem
UserAccounts
  AdministratorPassword
    Value! password
    PlainText! bool
  LocalAccounts
    LocalAccount*
      Name! user
      Group groups
      DisplayName text:256
      Description text:256
      Password
        Value! password
        PlainText! bool
  DomainAccounts
    DomainAccountList*
      Domain! text
      DomainAccount*
        Name! text:256
        Group groups

# Microsoft-Windows-Shell-Setup: oobeSystem
FirstLogonCommands
  SynchronousCommand*
    Order! int:1-500
    CommandLine! command:1024
    Description text:256
    RequiresUserInput bool
LogonCommands
  AsynchronousCommand*
    Order! int:1-500
    CommandLine! command:1024
    Description text:256
    RequiresUserInput bool
"""

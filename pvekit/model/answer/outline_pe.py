"""The settings of WinPE and Setup, written as ``components.py`` says."""

from __future__ import annotations

from typing import Final

PE: Final = """
# Microsoft-Windows-International-Core-WinPE: windowsPE
InputLocale input
LayeredDriver int:1-6
SetupUILanguage
  UILanguage! language
  WillShowUI Always|OnError|Never
SystemLocale language
UILanguage! language
UILanguageFallback language
UserLocale language

# Microsoft-Windows-PnpCustomizationsWinPE: windowsPE
DriverPaths
  PathAndCredentials*
    Path! text:259
    Credentials
      Domain text
      Password text
      Username text

# Microsoft-Windows-PnpCustomizationsNonWinPE: offlineServicing auditSystem
DriverPaths
  PathAndCredentials*
    Path! text:259
    Credentials
      Domain text
      Password text
      Username text

# Microsoft-Windows-Setup: windowsPE
ComplianceCheck
  DisplayReport Always|OnError|Never
Diagnostics
  OptIn bool
DiskConfiguration
  DisableEncryptedDiskProvisioning bool
  Disk*
    DiskID! int:0-255
    WillWipeDisk bool
    CreatePartitions
      CreatePartition*
        Order! int:1-255
        Type! Primary|EFI|Extended|Logical|MSR
        Size int:1-2147483647
        Extend bool
    ModifyPartitions
      ModifyPartition*
        Order! int:1-255
        PartitionID! int:1-255
        Active bool
        Extend bool
        Format NTFS|FAT32
        Label text:32
        Letter letter
        TypeID text:38
  WillShowUI Always|OnError|Never
Display
  ColorDepth int:1-32
  HorizontalResolution int:1-16384
  RefreshRate int:1-1000
  VerticalResolution int:1-16384
DynamicUpdate
  Enable bool
  WillShowUI Always|OnError|Never
EnableFirewall bool
EnableNetwork bool
ImageInstall
  DataImage*
    Order int:1-500
    InstallFrom
      Path text
    InstallTo
      DiskID! int:0-255
      PartitionID! int:1-255
  OSImage
    Compact bool
    InstallFrom
      Path text
      Credentials
        Domain text
        Password text
        Username text
      MetaData*
        Key! metadata
        Value! text
    InstallTo
      DiskID! int:0-255
      PartitionID! int:1-255
    InstallToAvailablePartition bool
    WillShowUI Always|OnError|Never
LogPath text
Restart Restart|Shutdown
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
    Credentials
      Domain text
      Password text
      Username text
UpgradeData
  Upgrade bool
  WillShowUI Always|OnError|Never
UseConfigurationSet bool
UserData
  AcceptEula! bool
  FullName text:64
  Organization text:64
  ProductKey
    Key key
    WillShowUI Always|OnError|Never
"""

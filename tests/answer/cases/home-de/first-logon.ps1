# Sets Windows up after its first logon, writes what happened to first-logon.log, and the result to done.json.
# pvekit-steps: guest-tools agent-service openssh ssh-keys power rdp updates autologon-off panther-clean done
# pvekit-key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvHbXWvwY4nq3d6n7o4qjS0c2mX9w8l1pQeHkTzRr5J anna@laptop
# pvekit-key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvHbXWvwY4nq3d6n7o4qjS0c2mX9w8l1pQeHkTzRr5J anna's ‘old’ key
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$Keys = @('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvHbXWvwY4nq3d6n7o4qjS0c2mX9w8l1pQeHkTzRr5J anna@laptop', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvHbXWvwY4nq3d6n7o4qjS0c2mX9w8l1pQeHkTzRr5J anna''s ‘‘old’’ key')
$Remote = $false
$RemoteUsers = @('Jörg O’’Neil', 'Mia')
$Updates = 'all'

$Source = Split-Path -Parent $MyInvocation.MyCommand.Path
$Folder = Join-Path $env:ProgramData 'pvekit'
$LogFile = Join-Path $Folder 'first-logon.log'
$DoneFile = Join-Path $Folder 'done.json'
$SshFolder = Join-Path $env:ProgramData 'ssh'
$Invariant = [Globalization.CultureInfo]::InvariantCulture
$Plain = New-Object Text.UTF8Encoding($false)
$Administrators = '*S-1-5-32-544'
$System = '*S-1-5-18'
# What the running step wants to say: the exit code of its last program, and a remark.
$script:Code = 0
$script:Detail = ''

function Get-Stamp {
    return [DateTime]::UtcNow.ToString('s', $Invariant) + 'Z'
}

function Write-Log([string]$Text) {
    [IO.File]::AppendAllText($LogFile, (Get-Stamp) + ' ' + $Text + "`r`n", $Plain)
    Write-Host $Text
}

function Invoke-Program([string]$Path, [string]$Arguments, [int[]]$Good = @(0), [int]$Minutes = 20) {
    Write-Log "run: $Path $Arguments"
    $process = Start-Process -FilePath $Path -ArgumentList $Arguments -PassThru -WindowStyle Hidden
    # Without a look at its handle now, the exit code is not there later.
    $null = $process.Handle
    if (-not $process.WaitForExit($Minutes * 60000)) {
        $script:Code = 1460
        throw "$Path did not end within $Minutes minutes"
    }
    $script:Code = $process.ExitCode
    Write-Log "code: $($process.ExitCode)"
    if ($Good -notcontains $process.ExitCode) {
        throw "$Path ended with code $($process.ExitCode)"
    }
}

function Wait-For([string]$What, [int]$Seconds, [scriptblock]$Test) {
    $end = [DateTime]::UtcNow.AddSeconds($Seconds)
    while (-not (& $Test)) {
        if ([DateTime]::UtcNow -gt $end) {
            throw "$What did not come within $Seconds seconds"
        }
        Start-Sleep -Seconds 1
    }
}

function Set-Value([string]$Key, [string]$Name, $Value, [string]$Type = 'DWord') {
    if (-not (Test-Path -LiteralPath $Key)) {
        $null = New-Item -Path $Key -Force
    }
    $null = New-ItemProperty -LiteralPath $Key -Name $Name -Value $Value -PropertyType $Type -Force
}

function Get-Value([string]$Key, [string]$Name) {
    $item = Get-ItemProperty -LiteralPath $Key -ErrorAction SilentlyContinue
    if ($null -eq $item -or $null -eq $item.PSObject.Properties[$Name]) {
        return $null
    }
    return $item.$Name
}

function Remove-Value([string]$Key, [string]$Name) {
    if ($null -ne (Get-Value $Key $Name)) {
        Remove-ItemProperty -LiteralPath $Key -Name $Name
    }
}

function Install-GuestTools {
    $setup = Join-Path $Source 'virtio-win-guest-tools.exe'
    Invoke-Program $setup '/install /quiet /norestart' @(0, 3010)
    if ($script:Code -eq 3010) {
        $script:Detail = 'the drivers are complete after the next restart'
    }
}

function Start-Agent {
    Wait-For 'the service QEMU-GA' 120 { $null -ne (Get-Service -Name 'QEMU-GA' -ErrorAction SilentlyContinue) }
    Set-Service -Name 'QEMU-GA' -StartupType Automatic
    Start-Service -Name 'QEMU-GA'
    Wait-For 'the running service QEMU-GA' 60 { (Get-Service -Name 'QEMU-GA').Status -eq 'Running' }
}

function Install-Ssh {
    $package = Join-Path $Source 'OpenSSH-Win64.msi'
    if (-not (Test-Path -LiteralPath $package)) {
        throw "$package is missing"
    }
    Invoke-Program 'msiexec.exe' "/i `"$package`" /qn /norestart ADDLOCAL=Server" @(0, 3010)
    Set-Service -Name 'sshd' -StartupType Automatic
    Start-Service -Name 'sshd'
    $key = Join-Path $SshFolder 'ssh_host_ed25519_key.pub'
    Wait-For 'the SSH host key' 60 { Test-Path -LiteralPath $key }
    if ($null -eq (Get-NetFirewallRule -Name 'pvekit-sshd' -ErrorAction SilentlyContinue)) {
        $null = New-NetFirewallRule -Name 'pvekit-sshd' -DisplayName 'OpenSSH server (pvekit)' -Direction Inbound `
            -Protocol TCP -LocalPort 22 -Action Allow -Profile Any
    }
}

function Add-SshKeys {
    $file = Join-Path $SshFolder 'administrators_authorized_keys'
    [IO.File]::WriteAllText($file, ($Keys -join "`n") + "`n", $Plain)
    # sshd refuses a file of keys that others may write.
    Invoke-Program 'icacls.exe' "`"$file`" /inheritance:r /grant `"$($Administrators):F`" /grant `"$($System):F`""
    $settings = Join-Path $SshFolder 'sshd_config'
    $first = 'PasswordAuthentication no'
    $text = [IO.File]::ReadAllText($settings)
    if (-not $text.StartsWith($first)) {
        # Of a setting that stands twice, sshd takes the first.
        [IO.File]::WriteAllText($settings, $first + "`r`n" + $text, $Plain)
    }
    Restart-Service -Name 'sshd'
    $script:Detail = "$($Keys.Count) keys"
}

function Set-Power {
    Invoke-Program 'powercfg.exe' '/change standby-timeout-ac 0'
    Invoke-Program 'powercfg.exe' '/change monitor-timeout-ac 0'
    # Fails where the machine cannot hibernate anyway.
    Invoke-Program 'powercfg.exe' '/hibernate off' @(0, 1)
    $script:Code = 0
}

function Set-RemoteDesktop {
    $server = 'HKLM:\SYSTEM\CurrentControlSet\Control\Terminal Server'
    if (-not $Remote) {
        Set-Value $server 'fDenyTSConnections' 1
        $script:Detail = 'off'
        return
    }
    Set-Value $server 'fDenyTSConnections' 0
    Set-Value "$server\WinStations\RDP-Tcp" 'UserAuthentication' 1
    # The group's name is translated, this is not.
    Enable-NetFirewallRule -Group '@FirewallAPI.dll,-28752'
    foreach ($name in $RemoteUsers) {
        $there = Get-LocalGroupMember -SID 'S-1-5-32-555' | Where-Object { $_.Name -eq "$env:COMPUTERNAME\$name" }
        if ($null -eq $there) {
            Add-LocalGroupMember -SID 'S-1-5-32-555' -Member $name
        }
    }
    $script:Detail = 'on, with network level authentication'
}

function Set-Updates {
    $policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate'
    if ($Updates -eq 'none') {
        Set-Value "$policy\AU" 'NoAutoUpdate' 1
    } else {
        Set-Value "$policy\AU" 'NoAutoUpdate' 0
        Set-Value "$policy\AU" 'AUOptions' 4
        Set-Value "$policy\AU" 'NoAutoRebootWithLoggedOnUsers' 1
        if ($Updates -eq 'security') {
            # The drivers of this VM come from the guest tools.
            Set-Value $policy 'ExcludeWUDriversInQualityUpdate' 1
        }
    }
    $script:Detail = $Updates
}

# The password of an automatic logon can lie in two places: in the registry, and among the secrets of the LSA.
$LsaSource = @'
using System;
using System.Runtime.InteropServices;

public static class PvekitLsa
{
    [StructLayout(LayoutKind.Sequential)]
    private struct Text { public ushort Length; public ushort MaximumLength; public IntPtr Buffer; }

    [StructLayout(LayoutKind.Sequential)]
    private struct Attributes
    {
        public int Length; public IntPtr Root; public IntPtr Name; public uint Flags; public IntPtr Security; public IntPtr Quality;
    }

    [DllImport("advapi32.dll")]
    private static extern uint LsaOpenPolicy(IntPtr system, ref Attributes attributes, uint access, out IntPtr policy);

    [DllImport("advapi32.dll")]
    private static extern uint LsaStorePrivateData(IntPtr policy, ref Text name, IntPtr data);

    [DllImport("advapi32.dll")]
    private static extern uint LsaClose(IntPtr policy);

    private const uint CreateSecret = 0x20;
    private const uint NotFound = 0xC0000034;

    // Deletes a secret; returns 0 when it is gone or never was, else the status.
    public static uint Delete(string name)
    {
        var attributes = new Attributes();
        attributes.Length = Marshal.SizeOf(typeof(Attributes));
        IntPtr policy;
        uint status = LsaOpenPolicy(IntPtr.Zero, ref attributes, CreateSecret, out policy);
        if (status != 0) { return status; }
        var text = new Text();
        text.Buffer = Marshal.StringToHGlobalUni(name);
        text.Length = (ushort)(name.Length * 2);
        text.MaximumLength = (ushort)(name.Length * 2 + 2);
        try
        {
            status = LsaStorePrivateData(policy, ref text, IntPtr.Zero);
        }
        finally
        {
            Marshal.FreeHGlobal(text.Buffer);
            LsaClose(policy);
        }
        return status == NotFound ? 0 : status;
    }
}
'@

function Clear-AutoLogon {
    $logon = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon'
    Set-Value $logon 'AutoAdminLogon' '0' 'String'
    foreach ($name in 'DefaultPassword', 'AutoLogonCount') {
        Remove-Value $logon $name
    }
    Add-Type -TypeDefinition $LsaSource
    $status = [PvekitLsa]::Delete('DefaultPassword')
    if ($status -ne 0) {
        throw ('the stored password could not be deleted, status 0x{0:X8}' -f $status)
    }
}

function Clear-Panther {
    $panther = Join-Path $env:windir 'Panther'
    $copies = @(
        (Join-Path $panther 'unattend.xml'),
        (Join-Path $panther 'autounattend.xml'),
        (Join-Path $panther 'unattend-original.xml'),
        (Join-Path $panther 'Unattend\unattend.xml'),
        (Join-Path $panther 'Unattend\autounattend.xml'),
        (Join-Path $env:windir 'System32\Sysprep\unattend.xml'),
        (Join-Path $env:windir 'System32\Sysprep\Panther\unattend.xml')
    )
    foreach ($copy in $copies) {
        if (Test-Path -LiteralPath $copy) {
            Remove-Item -LiteralPath $copy
            Write-Log "removed: $copy"
        }
    }
    Remove-Value 'HKLM:\SYSTEM\Setup' 'UnattendFile'
}

function Complete-All {
    # Tests and people look here for the end of the log.
    Write-Log 'all steps are done'
}

$Actions = @{
    'guest-tools' = 'Install-GuestTools'
    'agent-service' = 'Start-Agent'
    'openssh' = 'Install-Ssh'
    'ssh-keys' = 'Add-SshKeys'
    'power' = 'Set-Power'
    'rdp' = 'Set-RemoteDesktop'
    'updates' = 'Set-Updates'
    'autologon-off' = 'Clear-AutoLogon'
    'panther-clean' = 'Clear-Panther'
    'done' = 'Complete-All'
}

function Invoke-Step([string]$Name) {
    $script:Code = 0
    $script:Detail = ''
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $ok = $true
    Write-Log "step: $Name"
    try {
        $null = & $Actions[$Name]
    } catch {
        $ok = $false
        $script:Detail = $_.Exception.Message
        if ($script:Code -eq 0) {
            $script:Code = 1
        }
        Write-Log "failed: $Name at line $($_.InvocationInfo.ScriptLineNumber): $($_.Exception.Message)"
    }
    return [ordered]@{
        name = $Name
        ok = $ok
        code = [int]$script:Code
        seconds = [Math]::Round($watch.Elapsed.TotalSeconds, 1)
        detail = [string]$script:Detail
    }
}

function Write-Done([bool]$Ok, $Steps) {
    $result = [ordered]@{ version = 1; ok = $Ok; steps = @($Steps); finished = (Get-Stamp) }
    # Whoever reads the file sees all of it or none.
    $draft = "$DoneFile.new"
    [IO.File]::WriteAllText($draft, (ConvertTo-Json -InputObject $result -Depth 4 -Compress), $Plain)
    Move-Item -LiteralPath $draft -Destination $DoneFile -Force
}

$null = New-Item -ItemType Directory -Path $Folder -Force
$Results = New-Object Collections.ArrayList
$Ok = $true
foreach ($name in @('guest-tools', 'agent-service', 'openssh', 'ssh-keys', 'power', 'rdp', 'updates', 'autologon-off', 'panther-clean', 'done')) {
    # After a failure only what takes the passwords away still runs.
    if ($Ok -or $name -eq 'autologon-off' -or $name -eq 'panther-clean') {
        $result = Invoke-Step $name
        $null = $Results.Add($result)
        $Ok = $Ok -and $result.ok
    }
}
Write-Done $Ok $Results.ToArray()

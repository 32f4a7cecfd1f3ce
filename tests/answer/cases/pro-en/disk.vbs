' Is disk 0 there, empty and of the right size? Arguments: the least and the greatest size in bytes.
' Says it in one line, which starts with "disk 0 is empty" for yes; ends with 0 for yes, 1 for no.
Option Explicit
Const PATIENCE_S = 30

Dim disk, least, most, size
If WScript.Arguments.Count <> 2 Then Fail "the script needs two sizes"
least = CDbl(WScript.Arguments(0))
most = CDbl(WScript.Arguments(1))
Set disk = FindDisk()
If disk Is Nothing Then Fail "disk 0 is not there, so its driver is missing or the VM has no scsi0"
If IsNull(disk.Size) Then Fail "disk 0 tells no size"
If disk.Partitions > 0 Then Fail "disk 0 is not empty, it has " & disk.Partitions & " partitions"
size = CDbl(disk.Size)
If size < least Then Fail "disk 0 is too small, it has " & Mib(size) & " MiB instead of " & Mib(least)
If size > most Then Fail "disk 0 is too large, it has " & Mib(size) & " MiB instead of " & Mib(most)
WScript.Echo "disk 0 is empty and has " & Mib(size) & " MiB"
WScript.Quit 0

' A driver that was just loaded takes a moment to bring its disk.
Function FindDisk()
    Dim found, service, waited
    Set FindDisk = Nothing
    Set service = GetObject("winmgmts:\\.\root\cimv2")
    For waited = 0 To PATIENCE_S
        For Each found In service.ExecQuery("SELECT * FROM Win32_DiskDrive")
            If found.Index = 0 Then
                Set FindDisk = found
                Exit Function
            End If
        Next
        WScript.Sleep 1000
    Next
End Function

Function Mib(bytes)
    Mib = CStr(Fix(bytes / 1048576))
End Function

Sub Fail(reason)
    WScript.Echo reason
    WScript.Quit 1
End Sub

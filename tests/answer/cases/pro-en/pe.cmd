@echo off
rem Puts Windows onto disk 0 of this VM, then switches the VM off. Started in WinPE by the answer file beside it.
rem When a step fails, the reason stays on the screen and nothing restarts.
setlocal EnableExtensions DisableDelayedExpansion
set "PVEKIT_IMAGE=Windows 11 Pro"
set "PVEKIT_INDEX=0"
set "PVEKIT_DISK_MIN=68702699520"
set "PVEKIT_DISK_MAX=68736253952"
set "PVEKIT_DRIVERS=vioscsi NetKVM viostor vioserial Balloon"
set "PVEKIT_CD=%~d0"
set "PVEKIT_NOTE=%SystemDrive%\pvekit-note.txt"
title pvekit

echo.
echo pvekit: looking for files
for %%f in (autounattend.xml pvekit\disk.vbs pvekit\diskpart.txt pvekit\first-logon.ps1) do call :need %%f
set "PVEKIT_WIM="
for %%d in (C D E F G H I J K L M N O P Q R T U V Y Z) do call :look %%d
if not defined PVEKIT_WIM call :fail files "no drive has sources\install.wim or sources\install.esd"

echo pvekit: loading drivers
for %%n in (%PVEKIT_DRIVERS%) do call :driver %%n
for %%n in (vioscsi NetKVM) do call :load %%n

echo pvekit: looking at disk 0
set "PVEKIT_WHY=cscript could not look at it"
cscript.exe //nologo //e:vbscript "%PVEKIT_CD%\pvekit\disk.vbs" %PVEKIT_DISK_MIN% %PVEKIT_DISK_MAX% >"%PVEKIT_NOTE%"
rem Only a plain yes goes on: a script that stops in the middle says something else, or nothing.
set /p PVEKIT_WHY=<"%PVEKIT_NOTE%"
if not "%PVEKIT_WHY:~0,15%"=="disk 0 is empty" call :fail disk "%PVEKIT_WHY%"
echo %PVEKIT_WHY%

echo pvekit: making partitions
diskpart.exe /s "%PVEKIT_CD%\pvekit\diskpart.txt"
if not %errorlevel%==0 call :fail partitions "diskpart could not make them"

echo pvekit: copying Windows, this takes minutes
if not "%PVEKIT_INDEX%"=="0" goto byindex
dism.exe /Apply-Image /ImageFile:"%PVEKIT_WIM%" /Name:"%PVEKIT_IMAGE%" /ApplyDir:W:\ /CheckIntegrity /Verify
if not %errorlevel%==0 call :fail image "dism could not copy the image of that name"
goto copied
:byindex
dism.exe /Apply-Image /ImageFile:"%PVEKIT_WIM%" /Index:%PVEKIT_INDEX% /ApplyDir:W:\ /CheckIntegrity /Verify
if not %errorlevel%==0 call :fail image "dism could not copy image %PVEKIT_INDEX%"
:copied

echo pvekit: writing the boot files
bcdboot.exe W:\Windows /s S: /f UEFI
if not %errorlevel%==0 call :fail boot "bcdboot could not write the boot files"

echo pvekit: handing over the answer file
if not exist W:\Windows\Panther md W:\Windows\Panther
copy /y "%PVEKIT_CD%\autounattend.xml" W:\Windows\Panther\unattend.xml >nul
if not %errorlevel%==0 call :fail answer "the answer file could not be copied"

echo pvekit: putting the drivers into Windows
dism.exe /Image:W:\ /Add-Driver /Driver:"%PVEKIT_CD%\pvekit\drivers" /Recurse /ScratchDir:W:\Windows\Temp
if not %errorlevel%==0 call :fail inject "dism could not put the drivers into Windows"

echo pvekit: done, switching off
wpeutil.exe shutdown
if not %errorlevel%==0 call :fail off "wpeutil could not switch off"
goto stay

:need
if not exist "%PVEKIT_CD%\%~1" call :fail files "%~1 is missing on the answer CD %PVEKIT_CD%"
goto :eof

:look
if defined PVEKIT_WIM goto :eof
if exist "%~1:\sources\install.wim" set "PVEKIT_WIM=%~1:\sources\install.wim"
if exist "%~1:\sources\install.esd" set "PVEKIT_WIM=%~1:\sources\install.esd"
goto :eof

:driver
if not exist "%PVEKIT_CD%\pvekit\drivers\%~1\%~1.inf" call :fail drivers "%~1 is missing on the answer CD %PVEKIT_CD%"
goto :eof

:load
drvload.exe "%PVEKIT_CD%\pvekit\drivers\%~1\%~1.inf"
if not %errorlevel%==0 call :fail drivers "%~1 could not be loaded"
goto :eof

:fail
set "PVEKIT_CODE=%errorlevel%"
color 4f
echo.
echo ==============================================================================
echo.
echo PVEKIT FAILED: %~1: %~2
echo.
echo ==============================================================================
echo Code %PVEKIT_CODE%. Nothing goes on by itself; what came before stands above.

:stay
pause >nul
goto stay

"""The public product keys of Windows 10 and 11, and the editions they stand for. As of 22 November 2026.

None of them activates a retail Windows; the first kind only tells Setup which edition to install, the second asks a
KMS host of the same network. Sources, compared with each other:

* installation keys: the resource file WindowsEdition.json of the project cschneegans/unattend-generator; the same
  pairs in several public lists of keys by EDITIONID.
* KMS client keys: Microsoft, "Key Management Services (KMS) client activation and product keys", dated 2024-10-01.
* those of Home: public lists only, which agree; Microsoft publishes none for it.
"""

# key -> EDITIONID
INSTALLATION = {
    "YTMG3-N6DKC-DKB77-7M9GH-8HVX7": "Core",
    "4CPRK-NM3K3-X6XXQ-RXX86-WXCHW": "CoreN",
    "BT79Q-G7N6G-PGBYW-4YWX6-6F4BT": "CoreSingleLanguage",
    "N2434-X9D7W-8PF6X-8DV9T-8TYMD": "CoreCountrySpecific",
    "VK7JG-NPHTM-C97JM-9MPGT-3V66T": "Professional",
    "2B87N-8KFHP-DKV6R-Y2C8J-PKCKT": "ProfessionalN",
    "DXG7C-N36C4-C4HTG-X4T3X-2YV77": "ProfessionalWorkstation",
    "WYPNQ-8C467-V2W6J-TX4WX-WT2RQ": "ProfessionalWorkstationN",
    "8PTT6-RNW4C-6V7J2-C2D3X-MHBPB": "ProfessionalEducation",
    "GJTYN-HDMQY-FRR76-HVGC7-QPF8P": "ProfessionalEducationN",
    "YNMGQ-8RYV3-4PGQ3-C8XTP-7CFBY": "Education",
    "84NGF-MHBT6-FXBX8-QWJK7-DRR8H": "EducationN",
    "XGVPP-NMH47-7TTHJ-W3FW7-8HV2C": "Enterprise",
    "WGGHN-J84D6-QYCPR-T7PJ7-X766F": "EnterpriseN",
}

KMS_CLIENT = {
    "TX9XD-98N7V-6WMQ6-BX7FG-H8Q99": "Core",
    "3KHY7-WNT83-DGQKR-F7HPR-844BM": "CoreN",
    "7HNRX-D7KGG-3K4RQ-4WPJ4-YTDFH": "CoreSingleLanguage",
    "PVMJN-6DFY6-9CCP6-7BKTT-D3WVR": "CoreCountrySpecific",
    "W269N-WFGWX-YVC9B-4J6C9-T83GX": "Professional",
    "MH37W-N47XK-V7XM9-C7227-GCQG9": "ProfessionalN",
    "NRG8B-VKK3Q-CXVCJ-9G2XF-6Q84J": "ProfessionalWorkstation",
    "9FNHH-K3HBT-3W4TD-6383H-6XYWF": "ProfessionalWorkstationN",
    "6TP4R-GNPTD-KYYHQ-7B7DP-J447Y": "ProfessionalEducation",
    "YVWGF-BXNMC-HTQYQ-CPQ99-66QFC": "ProfessionalEducationN",
    "NW6C2-QMPVW-D7KKK-3GKT6-VCFB2": "Education",
    "2WH4N-8QGBV-H22JP-CT43Q-MDWWJ": "EducationN",
    "NPPR9-FWDCX-D2C8J-H872K-2YT43": "Enterprise",
    "DPH2V-TTNVB-4X9Q3-TJR4H-KHJW4": "EnterpriseN",
    "M7XTQ-FN8P6-TTKYV-9D4CC-J462D": "EnterpriseS",
    "92NFX-8DJQP-P6BBQ-THF9C-7CG2H": "EnterpriseSN",
    "KBN8V-HFGQ4-MGXVD-347P6-PDQGT": "IoTEnterpriseS",
}

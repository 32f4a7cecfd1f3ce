"""Presets, names and descriptions of machines."""

from __future__ import annotations

import pytest

from pvekit.inference import machines
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.machines import MachineInvalid
from pvekit.inference.machines.tables import raw
from pvekit.model.errors import PvekitError

CPUS = {
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz": (14, 4, Isa.AVX2),
    "Intel Xeon CPU E5-2697A v4 @ 2.60GHz (broadwell)": (16, 4, Isa.AVX2),
    "Intel(R) Core(TM) i7-7700HQ CPU @ 2.80GHz": (4, 2, Isa.AVX2),
    "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz": (4, 2, Isa.AVX512_VNNI),
    "AMD Ryzen 9 7950X3D 16-Core Processor": (16, 2, Isa.AVX512_VNNI),
    "AMD Ryzen 7 4700U with Radeon Graphics": (8, 2, Isa.AVX2),
    "AMD FX(tm)-8320 Eight-Core Processor": (8, 2, Isa.AVX),
    "Intel(R) Xeon(R) CPU           X5675  @ 3.07GHz": (6, 3, Isa.SSE42),
    "AMD EPYC 9135 16-Core Processor": (16, 12, Isa.AVX512_VNNI),
    "Intel(R) N100": (4, 1, Isa.AVX2),
    "Raspberry Pi 5 Model B Rev 1.0": (4, 1, Isa.NEON_DOTPROD),
    "AMD Ryzen 5 9999Q 12-Core Processor": (12, 2, Isa.AVX512_VNNI),
    "Xeon E5-2680v4": (14, 4, Isa.AVX2),
    "Intel(R) Core(TM) i5-9500T CPU @ 2.20GHz": (6, 2, Isa.AVX2),
    "AMD EPYC 7443P 24-Core Processor": (24, 8, Isa.AVX2),
    "AMD EPYC 8434P 48-Core Processor": (48, 6, Isa.AVX512_VNNI),
    "AMD EPYC 75F3 32-Core Processor": (32, 8, Isa.AVX2),
    "AMD Ryzen 7 PRO 4750GE with Radeon Graphics": (8, 2, Isa.AVX2),
    "AMD RYZEN AI MAX+ PRO 395 w/ Radeon 8060S": (16, 4, Isa.AVX512_VNNI),
    "AMD Opteron(tm) Processor 6380": (16, 4, Isa.AVX),
    "Intel(R) Celeron(R) J4125 CPU @ 2.00GHz": (4, 2, Isa.SSE42),
}
GPUS = {
    "NVIDIA Corporation GP106 [P106-100] (rev a1)": "P106-100",
    "NVIDIA Corporation GP104 [GeForce GTX 1070] (rev a1)": "GTX 1070",
    "NVIDIA GeForce RTX 3080 Laptop GPU": "RTX 3080 Laptop GPU",
    "NVIDIA GeForce RTX 4070 Ti SUPER": "RTX 4070 Ti SUPER",
    "NVIDIA RTX 2000 Ada Generation": "RTX 2000 Ada Generation",
    "Tesla V100-SXM2-16GB": "Tesla V100",
    "Tesla P100-PCIE-16GB": "Tesla P100",
    "NVIDIA H100 80GB HBM3": "H100 80GB HBM3",
    "NVIDIA L40S": "L40S",
    "GTX 1080Ti": "GTX 1080 Ti",
    "Apple M1 Max 8P+2E+24GPU": "Apple M1 Max 24",
    "Apple M5 Max": "Apple M5 Max 40",
    "NVIDIA GeForce RTX 2070 with Max-Q Design": "RTX 2070 Max-Q",
    "NVIDIA GeForce RTX 3050 6GB": "RTX 3050 6GB",
    "RTX 4070 Laptop": "RTX 4070 Laptop GPU",
    "M3 Max 40-Core GPU": "Apple M3 Max 40",
    "AMD Radeon RX 7900 XTX": "RX 7900 XTX",
    "Intel Corporation DG2 [Arc A770] (rev 08)": "Arc A770",
}


@pytest.mark.parametrize("name", CPUS)
def test_processors_are_known_as_kernels_name_them(name: str) -> None:
    found = machines.match_cpu(name)
    assert found is not None
    assert (found.cpu.cores, found.memory.channels, found.cpu.isa) == CPUS[name]


@pytest.mark.parametrize("name", GPUS)
def test_cards_are_known_as_drivers_name_them(name: str) -> None:
    found = machines.match_gpu(name)
    assert found is not None
    assert found.name == GPUS[name]


SHORT = {
    "3090": "RTX 3090", "7900xtx": "RX 7900 XTX", "4070 ti super": "RTX 4070 Ti SUPER", "p40": "Tesla P40",
    "2x RTX 3090": "2 x RTX 3090", "M4 Pro": "Apple M4 Pro 20", "Strix-Halo": "Ryzen AI Max+ 395, 128 GB (Strix Halo)",
    "5950x": "Ryzen 9 5950X", "ryzen 5600g": "Ryzen 5 5600G", "dual E5-2690 v4": "E5-2690 v4", "rpi5": "rpi5",
}  # fmt: skip


@pytest.mark.parametrize("name", SHORT)
def test_what_people_write_is_understood(name: str) -> None:
    found = machines.preset(name)
    assert SHORT[name] in (found.name, found.cpu.name)
    if name.startswith("2x"):
        assert len(found.gpus) == 2
    if name.startswith("dual"):
        assert (found.cpu.sockets, found.cpu.cores, found.memory.channels) == (2, 28, 8)


def test_an_unknown_name_is_told_with_near_ones() -> None:
    with pytest.raises(PvekitError) as error:
        machines.preset("RTX 3095")
    assert "RTX 3090" in str(error.value.hint)
    with pytest.raises(PvekitError) as error:
        machines.preset("Xeon 6154")
    assert "Gold 6154" in str(error.value.hint)


def test_strangers_are_not_known() -> None:
    assert machines.match_cpu("QEMU Virtual CPU version 2.5+") is None
    assert machines.match_gpu("Matrox G200eR2") is None


def test_every_preset_loads_and_has_sources() -> None:
    for name in machines.names():
        assert machines.preset(name).sources
        assert isinstance(machines.preset(name), Hardware)
    for kind in ("cpus", "gpus"):
        assert all(family["source"] for family in raw(kind)["families"])
    for name in machines.cpu_names():
        known = machines.match_cpu(name)
        assert known is not None, name
        assert known.model == name
        assert known.cpu.cores
        assert known.cpu.ghz
        assert known.source
    for name, card in machines.gpus().items():
        found = machines.match_gpu(name)
        assert found is not None, name
        assert found.name == name
        assert 20 < card.bandwidth < 10_000


def test_every_processor_and_card_is_a_machine() -> None:
    assert machines.preset("Ryzen 9 5950X").cpu.cores == 16
    assert machines.preset("RTX 3090").gpus[0].bandwidth == 936
    with pytest.raises(PvekitError, match="no machine"):
        machines.preset("nope")


def test_a_few_lines_describe_a_machine() -> None:
    text = """
cpu: {name: Xeon E5-2690 v4, sockets: 2}
memory: {populated: 4, size: 64 GiB}
gpus: [P106-100, {name: X1, kind: amd-gpu, bandwidth: 300, memory: 8 GiB}]
price: 400
"""
    found = machines.load(text, "mine.yaml")
    assert (found.cpu.cores, found.cpu.sockets, found.memory.channels) == (28, 2, 8)
    assert found.memory.bandwidth() == pytest.approx(76.8)
    assert found.memory.capacity == 64 * 2**30
    assert [card.bandwidth for card in found.gpus] == [192, 300]


BAD = {
    "cpu: Zorro 9\n": "mine.yaml:1:6: cpu: the processor Zorro 9 is not known",
    "memory: {channels: 2}\n": "mine.yaml:1:1: cpu: the processor is missing",
    "cpu: Ryzen 5 3600\nmemory: {channels: 2, populated: 3}\n": "mine.yaml:2:34: memory.populated: 3 of 2 channels",
    "cpu: Ryzen 5 3600\nmemori: 3\n": "mine.yaml:2:9: memori: this field is not known",
    "cpu: Ryzen 5 3600\nmemory: {size: much}\n": "mine.yaml:2:16: memory.size: a size is expected",
    "cpu: Ryzen 5 3600\ngpus:\n  - RTX 9999\n": "mine.yaml:3:5: gpus[0]: the card RTX 9999 is not known",
    "cpu: {name: Ryzen 5 3600, isa: avx3}\n": "mine.yaml:1:32: cpu.isa: avx3 is none of sse42",
    "cpu: {name: Ryzen 5 3600, cores: -1}\n": "mine.yaml:1:34: cpu.cores: -1 is not a number above 0",
    "cpu: {name: Ryzen 5 3600, cores: 2.5}\n": "mine.yaml:1:34: cpu.cores: 2.5 is not a whole number",
    "cpu: [\n": "mine.yaml:2:1",
    "- 1\n": "mine.yaml:1:1",
    "": "mine.yaml:1:1: cpu: the processor is missing",
}


@pytest.mark.parametrize("text", BAD)
def test_mistakes_are_told_with_their_line(text: str) -> None:
    with pytest.raises(MachineInvalid) as error:
        machines.load(text, "mine.yaml")
    assert BAD[text] in str(error.value)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(MachineInvalid) as error:
        machines.load("cpu: Ryzen 5 3600\nx: 1\nmemory: {size: no}\ngpus: [nope]\n", "mine.yaml")
    assert [problem.line for problem in error.value.problems] == [2, 3, 4]

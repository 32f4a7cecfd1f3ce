"""A host with an IOMMU inside QEMU: real kernel, real drivers, stand-in hardware."""

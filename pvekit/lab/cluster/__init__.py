"""What belongs to no single node: resources, options, mappings, pools, high availability."""

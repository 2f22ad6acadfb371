# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Every measurement there is, in the order of the table."""
from . import control, dataplane, wires

MEASUREMENTS = [*dataplane.measurements(), *control.measurements(), *wires.measurements()]
PARTS = list(dict.fromkeys(m.part for m in MEASUREMENTS))

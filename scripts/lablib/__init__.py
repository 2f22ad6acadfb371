# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""The lab: hosts with real kernels in network namespaces, around one or more MUXes.

topology   what there is: subnets, hosts, addresses, services (data, no side effects)
host       verbs on namespaces: make, wire up, run a command inside
process    daemons in those hosts: start, wait until they serve, stop
programs   what runs where: nginx, the agent, sluiced, and their configuration files
routing    BGP daemons on the MUXes and the router, configured by docs/routing
hugepages  as many as the MUXes need, given back afterwards
lab        all of it in order: up, down, status
cli        the verbs of scripts/lab
traffic    requests from a client; load, echo, downloads run inside the hosts
failover   what dies, hangs or is unplugged, and what clients notice
tour       the story that scripts/demo tells
"""


class LabError(Exception):
    """One sentence for the operator: what failed, and what it said."""

# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""What runs on the lab's hosts, and the configuration files that say how."""
import json
import os
from pathlib import Path

from . import LabError, process, routing
from .topology import LATER_SERVICES, SERVICES, SUBNETS

AGENT_PORT = 9110  # /healthz and /status of the agent, on every address of the server
BIG_FILE = "100M"
BIG_FILE_BYTES = 100 * 1000 * 1000


# --- nginx on the servers -------------------------------------------------------------------------------------------

NGINX = """\
# The lab's web server on {name}: its name as the body of /, a big file to fetch, a place to put one.
user root;  # the lab's files belong to root
worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  default_type text/plain;
  sendfile on;
  keepalive_timeout 1h;
  keepalive_requests 1000000;
  client_max_body_size 1g;
  client_body_temp_path {dir}/nginx-body;
  proxy_temp_path {dir}/nginx-proxy;
  fastcgi_temp_path {dir}/nginx-fastcgi;
  uwsgi_temp_path {dir}/nginx-uwsgi;
  scgi_temp_path {dir}/nginx-scgi;
  server {{
    listen 80 backlog=4096;
    listen [::]:80 backlog=4096;
    root {www};
    add_header X-Client $remote_addr;  # what DSR promises: the client's own address
    add_header X-Server {name};
    location = / {{ return 200 "{name}\\n"; }}
    location = /healthz {{ proxy_pass http://127.0.0.1:{agent_port}; }}
    location /upload/ {{
      root {dir};
      dav_methods PUT DELETE;
      create_full_put_path on;
    }}
  }}
}}
"""


def start_nginx(namespace, host, directory, www):
    conf = directory / "nginx.conf"
    conf.write_text(NGINX.format(name=host.name, dir=directory, www=www, agent_port=AGENT_PORT))
    (directory / "upload").mkdir(exist_ok=True)
    (directory / "nginx.pid").unlink(missing_ok=True)  # of one that was killed
    daemon = process.start(
        namespace, "nginx", ["nginx", "-c", str(conf), "-p", str(directory), "-e", "stderr"], str(directory / "nginx.log")
    )
    # nginx writes its pid file after it listens.
    process.wait_until(daemon, (directory / "nginx.pid").exists, "listening", 10)
    return daemon


def write_big_file(www):
    """Random bytes: a repeated or misplaced segment cannot go unnoticed."""
    www.mkdir()
    (www / BIG_FILE).write_bytes(os.urandom(BIG_FILE_BYTES))


# --- the agent on the servers ---------------------------------------------------------------------------------------


def agent_conf(host, services=SERVICES + LATER_SERVICES, extra=""):
    """`extra` is any further line of the agent's configuration."""
    vips = ",\n".join(f'    {{ address = "{s.vip}"; protocol = "{s.protocol}"; port = {s.port}; }}' for s in services)
    return f"""\
# The agent of {host.name}.
agent: {{
  interface = "{host.device}";
  listen    = "0.0.0.0:{AGENT_PORT}";
  health    = {{ url = "http://127.0.0.1:80/"; expect = "{host.name}"; }};
  vips = (
{vips}
  );
{extra}}};
"""


def start_agent(namespace, host, directory, build):
    conf = directory / "agent.conf"
    if not conf.exists():  # a test or an operator may have changed it
        conf.write_text(agent_conf(host))
    daemon = process.start(namespace, "sluice-agent", [str(build / "sluice-agent"), "-c", str(conf)], str(directory / "sluice-agent.log"))

    def answers():
        return namespace.run(["curl", "-sf", "-m", "1", f"http://127.0.0.1:{AGENT_PORT}/healthz"], check=False).returncode == 0

    process.wait_until(daemon, answers, "answering /healthz", 15)
    return daemon


# --- sluiced on the MUXes -------------------------------------------------------------------------------------------


def port_device(host, shape):
    if shape.driver == "af_xdp":
        return f"net_af_xdp0,iface={host.device}"
    # A frame of the core's MTU fits into 2048 with the ring's own header; 4096 of them absorb a client's burst.
    return f"net_af_packet0,iface={host.device},framesz=2048,blocksz=4096,framecnt=4096"


def eal_arguments(host, prefix, hugepages):
    """Lcore 0 is the control thread's, lcore 1 the worker; MUXes take turns on the cpus so that two cores serve all."""
    cpus = sorted(os.sched_getaffinity(0))
    worker_cpu = cpus[host.index % len(cpus)]
    memory = ["--in-memory"] if hugepages else ["--no-huge", "-m", "1024"]
    return [*memory, "--no-pci", f"--file-prefix={prefix}-{host.name}", f"--lcores=0@{cpus[0]},1@{worker_cpu}"]


def service_block(service, dips, shape):
    members = ",\n".join(
        f'             {{ address = "{d.v6 if service.is_v6 else d.v4}"; weight = {shape.weight(d)}; }}' for d in dips
    )
    return f"""\
  {{ name = "{service.name}"; vip = "{service.vip}"; protocol = "{service.protocol}"; port = {service.port};
    dips = (
{members} ); }}"""


def sluiced_conf(host, shape, directory, prefix, state, services=SERVICES):
    """`state` is the lab's: whether there are hugepages, and the key that its MUXes share."""
    subnet = SUBNETS["muxes"]
    lengths = subnet.v4.split("/")[1], subnet.v6.split("/")[1]
    router4, router6 = subnet.router
    eal = ", ".join(json.dumps(argument) for argument in eal_arguments(host, prefix, state["hugepages"]))
    blocks = ",\n".join(service_block(service, shape.members(), shape) for service in services)
    return f"""\
// {host.name} of the lab.
control: {{ socket = "{directory}/sluice.sock"; socket_group = "root"; metrics = "127.0.0.1:9107"; log_level = "info";
  route_table = {routing.route_table(shape.routing)}; }};
dataplane: {{
  eal      = [ {eal} ];
  idle     = "adaptive";
  hash_key = "{state["hash_key"]}";
  ports    = ( {{ name = "uplink"; device = "{port_device(host, shape)}";
                 address = [ "{host.v4}/{lengths[0]}", "{host.v6}/{lengths[1]}" ];
                 gateway = "{router4}"; gateway6 = "{router6}";
                 mtu = {shape.core_mtu}; vlan = 0; kernel_interface = "sluice0"; }} );
  workers  = ( {{ lcore = 1; tier1 = true; tier2 = true; }} );
}};
services: (
{blocks}
);
"""


def start_sluiced(namespace, directory, build, before=None):
    """`before`: the daemon whose place it takes."""
    argv = [str(build / "sluiced"), "-c", str(directory / "sluiced.conf"), *(["--take-over"] if before else [])]
    daemon = process.start(namespace, "sluiced", argv, str(directory / "sluiced.log"))

    def ready():
        if before and before.alive():
            return False
        answer = namespace.run([*sluicectl(directory, build), "--json", "status"], check=False)
        return answer.returncode == 0 and json.loads(answer.stdout).get("ready") is True

    process.wait_until(daemon, ready, "ready", 60)
    return daemon


def sluicectl(directory, build):
    return [str(build / "sluicectl"), "--socket", str(Path(directory) / "sluice.sock")]


def require(build, names):
    for name in names:
        if not os.access(build / name, os.X_OK):
            raise LabError(f"{build / name} is not there after the build")

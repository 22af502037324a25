"""A lab: three nodes of etcd, Patroni and PostgreSQL, HAProxy and two servers on one machine."""


class LabError(Exception):
    """Something that the person at the terminal can read and act on."""

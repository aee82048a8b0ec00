"""Several daemons as one: any node answers any URL, and a node may die under a playing viewer.

A segment is the same whoever makes it, so serving one needs no permission, and only the row of a session has an owner.
``claims`` is the table of owners and ``placement`` the choice of a node, both pure. ``directory`` holds the table; Ray
keeps one such directory running, and knows which machines there are (``ray``). ``agent`` is a daemon's part in the
cluster, and ``ingress`` hands a request to the node that answers it, by plain HTTP.
"""
